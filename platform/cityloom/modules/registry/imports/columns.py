"""The columns of the registry's import, and the words that cities use for their headers and values."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cityloom.core.text import Text
from cityloom.imports.targets import Column

AREA, BUILDING, DWELLING, HOUSEHOLD, NAME = "area_code", "building_code", "dwelling_number", "household_number", "name"
#: Columns of each link of the chain; the first names it.
OF_BUILDING: Final = (
    BUILDING,
    "building_name",
    "address",
    "storeys",
    "longitude",
    "latitude",
)
OF_DWELLING: Final = (DWELLING, "unit", "floor", "dwelling_use", "size")
OF_HOUSEHOLD: Final = (HOUSEHOLD, "household_kind")
OF_RESIDENT: Final = (NAME, "identity_number", "birth_on", "sex", "phone", "relationship")

_OF_BUILDING = ((BUILDING,),)
_OF_DWELLING = ((DWELLING,),)
_OF_RESIDENT = ((NAME,),)

COLUMNS: Final = (
    Column(
        AREA, Text("网格编码", "Area code"), ("网格编号", "网格代码", "所属网格编码", "区域编码", "grid code", "grid")
    ),
    Column(
        BUILDING,
        Text("楼栋编码", "Building code"),
        ("楼栋", "楼栋编号", "楼号", "楼栋号", "幢号", "栋号", "楼幢", "楼宇编码", "building"),
    ),
    Column("building_name", Text("楼栋名称", "Building name"), ("楼名", "楼宇名称", "幢名称"), _OF_BUILDING),
    Column("address", Text("地址", "Address"), ("楼栋地址", "详细地址", "门牌地址", "postal address"), _OF_BUILDING),
    Column("storeys", Text("楼层数", "Storeys"), ("总层数", "地上层数", "层数", "总楼层"), _OF_BUILDING),
    Column("longitude", Text("经度", "Longitude"), ("lng", "lon"), (*_OF_BUILDING, ("latitude",))),
    Column("latitude", Text("纬度", "Latitude"), ("lat",), (*_OF_BUILDING, ("longitude",))),
    Column("unit", Text("单元", "Unit"), ("单元号", "楼道", "梯号", "staircase"), _OF_DWELLING),
    Column(
        DWELLING,
        Text("房号", "Dwelling number"),
        ("房间号", "房屋号", "门牌号", "室号", "户室号", "房屋编号", "door number", "room", "flat"),
        _OF_BUILDING,
    ),
    Column("floor", Text("所在楼层", "Floor"), ("楼层", "所在层"), _OF_DWELLING),
    Column("dwelling_use", Text("房屋用途", "Use"), ("用途", "房屋使用情况", "居住情况", "房屋性质"), _OF_DWELLING),
    Column(
        "size",
        Text("面积", "Size in m²"),
        ("建筑面积", "房屋面积", "面积(㎡)", "面积(平方米)", "size", "area"),
        _OF_DWELLING,
    ),
    Column(HOUSEHOLD, Text("户号", "Household number"), ("户编号", "户籍号", "家庭编号", "household", "household no")),
    Column("household_kind", Text("户类型", "Household kind"), ("户别", "户性质"), ((HOUSEHOLD,),)),
    Column(NAME, Text("姓名", "Name"), ("居民姓名", "人员姓名", "full name"), ((HOUSEHOLD,),)),
    Column(
        "identity_number",
        Text("身份证号", "Identity number"),
        ("身份证", "身份证号码", "公民身份号码", "公民身份证号码", "证件号码", "证件号", "id number", "id card"),
        _OF_RESIDENT,
    ),
    Column(
        "birth_on", Text("出生日期", "Date of birth"), ("出生年月日", "生日", "birthday", "birth date"), _OF_RESIDENT
    ),
    Column("sex", Text("性别", "Sex"), ("gender",), _OF_RESIDENT),
    Column(
        "phone",
        Text("手机号", "Mobile number"),
        ("手机", "手机号码", "联系电话", "联系方式", "电话", "mobile"),
        _OF_RESIDENT,
    ),
    Column(
        "relationship",
        Text("与户主关系", "Relationship to the head"),
        ("户主关系", "家庭关系", "与户主的关系", "relation"),
        _OF_RESIDENT,
    ),
)
_BY_NAME = {column.name: column for column in COLUMNS}
_CREDIT_CODE = Column(
    "credit_code",
    Text("统一社会信用代码", "Credit code"),
    ("信用代码", "社会信用代码", "统一信用代码", "uscc", "unified social credit code"),
)
#: What names an organisation; they come in sheets of their own.
ORGANISATION: Final = "organisation_name"
_OF_ORGANISATION = ((ORGANISATION,),)
OF_ORGANISATION: Final = (
    Column(
        ORGANISATION,
        Text("单位名称", "Organisation"),
        ("企业名称", "法人名称", "机构名称", "商户名称", "店名", "公司名称", "字号", "name", "company"),
    ),
    replace(_CREDIT_CODE, needs=_OF_ORGANISATION),
    Column(
        "organisation_kind",
        Text("单位类型", "Kind"),
        ("企业类型", "机构类型", "法人类型", "主体类型", "单位性质"),
        _OF_ORGANISATION,
    ),
    *(
        replace(_BY_NAME[name], needs=needs)
        for name, needs in (
            (AREA, _OF_ORGANISATION),
            (BUILDING, _OF_ORGANISATION),
            ("unit", _OF_DWELLING),
            (DWELLING, _OF_BUILDING),
        )
    ),
    Column(
        "moved_in_on",
        Text("入驻日期", "Here since"),
        ("迁入日期", "入驻时间", "since"),
        _OF_ORGANISATION,
    ),
)
#: What names a vehicle; they come in sheets of their own, too.
PLATE, OWNER = "plate", "owner_identity_number"
_OF_VEHICLE = ((PLATE,),)
OF_VEHICLE: Final = (
    Column(
        PLATE,
        Text("车牌号", "Number plate"),
        ("车牌", "车牌号码", "号牌", "号牌号码", "机动车号牌", "plate number", "license plate", "licence plate"),
    ),
    Column(
        "vehicle_kind",
        Text("车辆类型", "Kind"),
        ("车辆种类", "车辆类别", "号牌种类", "vehicle type", "vehicle kind"),
        _OF_VEHICLE,
    ),
    Column(
        OWNER,
        Text("车主身份证号", "Owner's identity number"),
        (
            "车主身份证",
            "车主身份证号码",
            "车主证件号",
            "车主证件号码",
            "所有人身份证号",
            "身份证明号码",
            *_BY_NAME["identity_number"].synonyms,
            "身份证号",
            "identity number",
            "owner id",
        ),
        _OF_VEHICLE,
    ),
    replace(
        _CREDIT_CODE,
        synonyms=("车主信用代码", "所属单位信用代码", *_CREDIT_CODE.synonyms),
        needs=_OF_VEHICLE,
    ),
    Column(
        "held_since",
        Text("持有日期", "Held since"),
        ("登记日期", "注册日期", "购车日期", "取得日期", "起始日期", "since"),
        _OF_VEHICLE,
    ),
)
TITLES: Final = {column.name: column.title for column in (*COLUMNS, *OF_ORGANISATION, *OF_VEHICLE)}

_MEN, _WOMEN = ("男", "男性", "m", "male", "1"), ("女", "女性", "f", "female", "2")
#: What cells say, by column and then by the word that is stored.
WORDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "sex": {"MALE": _MEN, "FEMALE": _WOMEN, "UNKNOWN": ("未知", "不详", "未说明", "0", "9", "unknown")},
    "dwelling_use": {
        "OWNED": ("自住", "自有", "自住房", "自有住房", "owned"),
        "RENTED": ("出租", "租赁", "出租房", "出租屋", "rented"),
        "HOMESTAY": ("民宿", "日租房", "homestay"),
        "VACANT": ("空置", "空房", "闲置", "vacant"),
        "BUSINESS": ("经营", "商用", "商业", "营业", "business"),
    },
    "organisation_kind": {
        "COMPANY": ("企业", "公司", "有限责任公司", "股份有限公司", "company"),
        "SHOP": ("个体工商户", "个体户", "个体", "商户", "商铺", "店铺", "shop"),
        "INSTITUTION": ("机关事业单位", "事业单位", "机关", "学校", "医院", "institution"),
        "ASSOCIATION": ("社会组织", "社会团体", "社团", "协会", "民办非企业单位", "association"),
        "OTHER": ("其他", "其它", "other"),
    },
    "vehicle_kind": {
        "CAR": (
            "小型汽车",
            "汽车",
            "轿车",
            "小轿车",
            "小型轿车",
            "小客车",
            "小型客车",
            "小型普通客车",
            "小型新能源汽车",
            "新能源汽车",
            "私家车",
            "car",
        ),
        "TRUCK": ("货车", "大型货车", "重型货车", "中型货车", "轻型货车", "卡车", "truck"),
        "MOTORCYCLE": ("摩托车", "普通摩托车", "两轮摩托车", "轻便摩托车", "motorcycle"),
        "ELECTRIC_BICYCLE": ("电动自行车", "电动车", "电瓶车", "非机动车", "electric bicycle", "e-bike"),
        "OTHER": ("其他", "其它", "客车", "大型客车", "中型客车", "三轮车", "other"),
    },
    "household_kind": {
        "FAMILY": ("家庭户", "家庭", "family"),
        "COLLECTIVE": ("集体户", "集体", "collective"),
    },
    "relationship": {
        "HEAD": ("户主", "本人", "head"),
        "SPOUSE": ("配偶", "妻", "夫", "妻子", "丈夫", "spouse", "wife", "husband"),
        "CHILD": (
            "子女",
            "子",
            "女",
            "儿子",
            "女儿",
            "长子",
            "次子",
            "三子",
            "长女",
            "次女",
            "三女",
            "独生子",
            "独生女",
            "养子",
            "养女",
            "继子",
            "继女",
            "child",
            "son",
            "daughter",
        ),
        "PARENT": ("父母", "父", "母", "父亲", "母亲", "公公", "婆婆", "岳父", "岳母", "parent", "father", "mother"),
        "GRANDCHILD": ("孙子女", "孙子", "孙女", "外孙", "外孙子", "外孙女", "孙子、孙女", "grandchild"),
        "GRANDPARENT": ("祖父母", "祖父", "祖母", "外祖父", "外祖母", "爷爷", "奶奶", "grandparent"),
        "SIBLING": ("兄弟姐妹", "兄", "弟", "姐", "妹", "哥哥", "弟弟", "姐姐", "妹妹", "sibling", "brother", "sister"),
        "OTHER": ("其他", "其它", "亲属", "非亲属", "other"),
    },
}
