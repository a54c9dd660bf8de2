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
)
