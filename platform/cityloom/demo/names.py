"""Plausible Chinese names.

Surnames in the order and roughly with the shares of the Ministry of Public Security's yearly reports on names (王
7.2 %, 李 7.2 %, 张 6.8 %, 刘 5.4 %, 陈 4.5 % …); given names of one or two characters, by sex and generation.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_SURNAMES = (
    "王:725 李:719 张:683 刘:538 陈:453 杨:308 黄:223 赵:229 吴:205 周:202 徐:145 孙:154 "
    "马:129 朱:126 胡:131 郭:115 何:117 林:118 高:106 罗:86 郑:88 梁:85 谢:76 宋:81 唐:69 "
    "许:66 韩:68 邓:62 冯:64 曹:55 彭:59 曾:58 肖:56 田:53 董:50 袁:51 潘:49 于:50 蒋:48 蔡:49 "
    "余:47 杜:48 叶:46 程:46 苏:45 魏:45 吕:44 丁:43 任:42 沈:41 姚:40 卢:40 姜:39 崔:39 钟:37 "
    "谭:37 陆:36 汪:36 范:36 金:35 石:34 廖:34 贾:34 夏:33 韦:33 付:32 方:32 白:32 邹:31 孟:30 "
    "熊:30 秦:29 邱:29 江:28 尹:27 薛:26 闫:26 段:25 雷:25 侯:24 龙:24 史:23 陶:23 黎:22 贺:22 "
    "顾:21 毛:20 郝:20 龚:20 邵:19 万:19 钱:18 严:18 覃:18 武:17 戴:17 莫:16 孔:16 向:16 汤:15 "
    "朴:9 欧阳:9 上官:1 司马:1 诸葛:1"
)
_OLDER = {
    "MALE": "国建志文德永明华平军福金玉春林海成东忠贵云生祥庆宝根树清荣义良学正长兴富万开全有发胜才友",
    "FEMALE": "秀英玉桂兰凤珍芳淑梅素琴丽华云红霞香莲翠月荣爱春金美菊花霞珠娟萍琼仙惠芬彩巧银娥",
}
_YOUNGER = {
    "MALE": "浩宇轩博文俊杰子豪泽晨睿凯旭鹏飞涛磊鑫佳伟明超阳健航志强斌龙帆天昊然嘉瑞铭哲峰毅翔恒诚皓霖",
    "FEMALE": "欣怡婷佳颖雪梦琪雨涵静敏思雅诗慧倩琳莹洁瑶妍悦萱语菲彤璐瑾晓芸蕾娜艳丹晶宁茜柔薇可馨韵",
}
_TURN = 1975
_TRADES = (
    "小吃店",
    "面馆",
    "便利店",
    "理发店",
    "五金店",
    "水果店",
    "药店",
    "裁缝铺",
    "茶庄",
    "文具店",
    "洗衣店",
    "修车铺",
)

_names, _weights = zip(*(entry.split(":") for entry in _SURNAMES.split()), strict=True)
_cumulated = list(accumulate(map(int, _weights)))


def surname(random: Random) -> str:
    """A surname, as often as it occurs."""
    return str(random.choices(_names, cum_weights=_cumulated)[0])


def given_name(random: Random, sex: str, birth_year: int) -> str:
    """A given name; characters at the front of their list are more common."""
    characters = (_OLDER if birth_year < _TURN else _YOUNGER)[sex]
    length = 1 if random.random() < 0.16 else 2  # noqa: PLR2004 - the share of two-character names
    chosen = [characters[int(len(characters) * random.random() ** 1.5)] for _ in range(length)]
    return "".join(chosen)


def shop(random: Random) -> str:
    """A name that a small shop may have."""
    return f"{surname(random)}记{random.choice(_TRADES)}"
