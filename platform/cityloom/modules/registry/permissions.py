"""What may be done in the registry, and which shipped roles may."""

from __future__ import annotations

from cityloom.core.module import Permission
from cityloom.core.text import Text

ADMINISTRATOR = ("city_administrator",)
STAFF = (*ADMINISTRATOR, "street_lead", "community_worker")
FIELD = (*STAFF, "grid_lead", "grid_worker")
READERS = (*FIELD, "analyst", "integrator")

PERMISSIONS = (
    Permission("registry.building.read", Text("查看楼栋", "See buildings"), READERS),
    Permission("registry.building.create", Text("登记楼栋", "Record buildings"), STAFF),
    Permission("registry.building.change", Text("修改楼栋", "Change buildings"), (*STAFF, "grid_lead")),
    Permission("registry.building.move", Text("调整楼栋所属区域", "Put buildings into another area"), STAFF),
    Permission("registry.dwelling.read", Text("查看房屋", "See dwellings"), READERS),
    Permission("registry.dwelling.create", Text("登记房屋", "Record dwellings"), FIELD),
    Permission("registry.dwelling.change", Text("修改房屋", "Change dwellings"), FIELD),
    Permission("registry.dwelling.move", Text("调整房屋所属楼栋", "Assign dwellings to another building"), STAFF),
    Permission("registry.household.read", Text("查看住户", "See households"), READERS),
    Permission("registry.household.create", Text("登记住户", "Record households"), FIELD),
    Permission("registry.household.change", Text("修改住户", "Change households"), FIELD),
    Permission("registry.household.move", Text("办理整户迁移", "Move households"), FIELD),
    Permission("registry.resident.read", Text("查看居民", "See residents"), (*READERS, "resident")),
    Permission("registry.resident.create", Text("登记居民", "Record residents"), FIELD),
    Permission("registry.resident.change", Text("修改居民", "Change residents"), FIELD),
    Permission("registry.resident.link", Text("关联居民账号", "Say which account is a resident's"), ADMINISTRATOR),
    Permission("registry.resident.move", Text("办理居民迁移", "Move residents"), FIELD),
    Permission("registry.resident.phone.masked", Text("查看脱敏手机号码", "See masked phone numbers"), READERS),
    Permission(
        "registry.resident.phone.full",
        Text("查看完整手机号码", "See whole phone numbers"),
        (*ADMINISTRATOR, "resident"),
    ),
    Permission(
        "registry.resident.identity_number.masked", Text("查看脱敏身份证号码", "See masked identity numbers"), READERS
    ),
    Permission(
        "registry.resident.identity_number.full",
        Text("查看完整身份证号码", "See whole identity numbers"),
        (*ADMINISTRATOR, "resident"),
    ),
    Permission("registry.organisation.read", Text("查看单位", "See organisations"), READERS),
    Permission("registry.organisation.create", Text("登记单位", "Record organisations"), FIELD),
    Permission("registry.organisation.change", Text("修改单位", "Change organisations"), FIELD),
    Permission("registry.organisation.move", Text("办理单位迁址与注销", "Move and close organisations"), FIELD),
    Permission("registry.vehicle.read", Text("查看车辆", "See vehicles"), (*READERS, "resident")),
    Permission("registry.vehicle.create", Text("登记车辆", "Record vehicles"), FIELD),
    Permission("registry.vehicle.change", Text("修改车辆", "Change vehicles"), FIELD),
    Permission("registry.vehicle.move", Text("变更车辆持有人", "Give vehicles to somebody else"), FIELD),
    Permission("registry.vehicle.plate.masked", Text("查看脱敏车牌号", "See masked number plates"), READERS),
    Permission("registry.vehicle.plate.full", Text("查看完整车牌号", "See whole number plates"), ADMINISTRATOR),
    Permission("registry.field.read", Text("查看自定义字段", "See the city's own fields"), (*READERS, "resident")),
    Permission("registry.field.define", Text("设置自定义字段", "Define the city's own fields"), ADMINISTRATOR),
    Permission(
        "registry.custom.restricted.full",
        Text("查看和填写受限自定义字段", "See and write restricted fields of the city's own"),
        ADMINISTRATOR,
    ),
    Permission("registry.fieldwork.submit", Text("提交离线更改", "Submit changes made offline"), FIELD),
)
