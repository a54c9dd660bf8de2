"""What may be done on the grid, and which shipped roles may."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

ADMINISTRATOR = ("city_administrator",)
STAFF = (*ADMINISTRATOR, "street_lead", "community_worker")
LEADS = (*STAFF, "grid_lead")
FIELD = (*LEADS, "grid_worker")
READERS = (*FIELD, "analyst", "integrator")

PERMISSIONS = (
    Permission("grid.post.read", Text("查看岗位与任职", "See posts and who holds them"), READERS),
    Permission("grid.post.assign", Text("任命与离任", "Assign posts and release from them"), STAFF),
    Permission("grid.shift.read", Text("查看排班", "See shifts and the duty roster"), (*FIELD, "analyst")),
    Permission("grid.shift.plan", Text("排班", "Plan and cancel shifts"), LEADS),
    Permission("grid.shift.attend", Text("签到签退", "Check in and out of own shifts"), FIELD),
    Permission("grid.patrol.read", Text("查看巡查", "See patrols and their figures"), (*FIELD, "analyst")),
    Permission("grid.patrol.record", Text("开展巡查", "Carry out own patrols"), FIELD),
    Permission("grid.patrol.evaluate", Text("考核每日巡查", "Evaluate days against the rule"), LEADS),
    Permission("grid.track.read", Text("查看巡查轨迹", "See the points of tracks"), LEADS),
    Permission("grid.position.read", Text("查看在岗人员位置", "See where people on shift are"), STAFF),
    Permission("grid.visit.read", Text("查看走访", "See visits"), FIELD),
    Permission("grid.visit.record", Text("记录走访", "Record own visits"), FIELD),
    Permission("grid.report.read", Text("查看日报", "See daily reports"), FIELD),
    Permission("grid.report.submit", Text("提交日报", "Hand in own daily reports"), FIELD),
    Permission("grid.report.acknowledge", Text("确认日报", "Acknowledge daily reports"), LEADS),
    Permission("grid.formula.publish", Text("发布评分公式", "Publish formulas of scores"), ADMINISTRATOR),
    Permission("grid.score.read", Text("查看评分", "See scores and rankings"), (*FIELD, "analyst")),
    Permission("grid.score.calculate", Text("计算与公布评分", "Calculate and publish scores"), STAFF),
    Permission("grid.score.appeal", Text("评分申诉", "Appeal against own scores"), FIELD),
    Permission("grid.score.decide", Text("处理评分申诉", "Decide appeals"), STAFF),
    Permission("grid.award.read", Text("查看授奖", "See awards"), READERS),
    Permission("grid.award.grant", Text("授奖与撤奖", "Grant awards and take them back"), STAFF),
)
