"""A tenant's modules and limits as a part of its pack."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from cityloom.tenancy.limits import LIMITS as KNOWN_LIMITS
from cityloom.tenancy.models import TenantLimit, TenantModule
from cityloom.tenancy.modules import enabled_modules, missing_needs, settings_faults
from cityloom.tenancy.packs.manifest import LIMITS, MODULES, LimitRow, ModuleRow
from cityloom.tenancy.packs.parts import PackPart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cityloom.core.module import Module
    from cityloom.core.work import Work
    from cityloom.tenancy.packs.difference import Differences
    from cityloom.tenancy.packs.pack import Pack
    from cityloom.tenancy.packs.problems import Problems
    from cityloom.tenancy.packs.tables import Entry, Table


class ConfigurationPart(PackPart):
    """`[modules.…]` and `[limits]` of `tenant.toml`."""

    name = "tenancy"
    tables = (MODULES, LIMITS)

    def __init__(self, modules: Mapping[str, Module]) -> None:
        self.modules = modules

    def check(self, pack: Pack, problems: Problems) -> None:
        """Modules exist, have suitable settings and all that they need; limits exist and are within bounds."""
        for entry in pack.entries(MODULES):
            self._check_module(entry, pack, problems)
        self._check_needs(pack, problems)
        self._check_limits(pack, problems)

    def _check_limits(self, pack: Pack, problems: Problems) -> None:
        for entry in pack.entries(LIMITS):
            limit = KNOWN_LIMITS.get(entry.row.name)
            place = f"limits.{entry.row.name}"
            if limit is None:
                names = ", ".join(KNOWN_LIMITS)
                problems.add(
                    entry,
                    place,
                    zh="没有这个限额",
                    en="there is no such limit",
                    hint_zh=f"可用:{names}",
                    hint_en=f"known: {names}",
                )
            elif entry.row.value > limit.most:
                problems.add(
                    entry,
                    place,
                    zh=f"{entry.row.value} 超出范围",
                    en=f"{entry.row.value} is out of bounds",
                    hint_zh=f"不大于 {limit.most}",
                    hint_en=f"at most {limit.most}",
                )

    def _check_module(self, entry: Entry[ModuleRow], pack: Pack, problems: Problems) -> None:
        row = entry.row
        place = f"modules.{row.module}"
        module = self.modules.get(row.module)
        if module is None:
            near = difflib.get_close_matches(row.module, self.modules, 1)
            names = ", ".join(sorted(self.modules))
            problems.add(
                entry,
                place,
                zh="没有这个模块",
                en="there is no such module",
                hint_zh=f"是否为 {near[0]}?" if near else f"可用:{names}",
                hint_en=f"did you mean {near[0]}?" if near else f"known: {names}",
            )
            return
        if module.is_core and not row.enabled:
            at = pack.place("modules", row.module, "enabled")
            problems.add(
                at,
                f"{place}.enabled",
                zh="核心模块不能关闭",
                en="a core module cannot be switched off",
                hint_zh="请删除该行",
                hint_en="remove the line",
            )
        for path, why, hint in settings_faults(module, row.settings):
            at = pack.place("modules", row.module, "settings", *path)
            dotted = ".".join(map(str, (place, "settings", *path)))
            problems.add(at, dotted, zh=why.zh, en=why.en, hint_zh=hint.zh, hint_en=hint.en)

    def _check_needs(self, pack: Pack, problems: Problems) -> None:
        stated = {entry.row.module: entry for entry in pack.entries(MODULES)}
        enabled = enabled_modules(self.modules, [name for name, entry in stated.items() if entry.row.enabled])
        for name, missing in missing_needs(self.modules, enabled).items():
            at = stated[name] if name in stated else pack.place("modules")
            listed = ", ".join(missing)
            problems.add(
                at,
                f"modules.{name}",
                zh=f"需要启用:{listed}",
                en=f"it needs these modules, which are off: {listed}",
                hint_zh=f"请加入 [modules.{missing[0]}]",
                hint_en=f"add [modules.{missing[0]}]",
            )

    async def read(self, work: Work) -> Mapping[Table[Any], Sequence[Any]]:
        """The tenant's modules and limits."""
        modules = (await work.session.scalars(select(TenantModule))).all()
        limits = (await work.session.scalars(select(TenantLimit))).all()
        return {
            MODULES: [ModuleRow(module=m.module, enabled=m.is_enabled, settings=m.settings) for m in modules],
            LIMITS: [LimitRow(name=limit.name, value=limit.value) for limit in limits],
        }

    async def write(self, work: Work, differences: Differences) -> None:
        """Bring modules and limits to what the pack states."""
        modules, limits = differences[MODULES], differences[LIMITS]
        for row in (*modules.added, *(after for _, after in modules.changed)):
            await put_module(work, row.module, is_enabled=row.enabled, settings=row.settings)
        for limit in (*limits.added, *(after for _, after in limits.changed)):
            await put_limit(work, limit.name, limit.value)
        if modules.removed:
            names = [row.module for row in modules.removed]
            await work.session.execute(delete(TenantModule).where(TenantModule.module.in_(names)))
        if limits.removed:
            names = [row.name for row in limits.removed]
            await work.session.execute(delete(TenantLimit).where(TenantLimit.name.in_(names)))


async def put_module(work: Work, name: str, *, is_enabled: bool, settings: dict[str, Any] | None) -> TenantModule:
    """State how the tenant has a module; None leaves its settings as they are."""
    found = (await work.session.scalars(select(TenantModule).where(TenantModule.module == name))).one_or_none()
    if found is None:
        found = TenantModule(module=name, is_enabled=is_enabled, settings=settings or {})
        work.session.add(found)
    else:
        found.is_enabled = is_enabled
        found.settings = found.settings if settings is None else settings
    return found


async def put_limit(work: Work, name: str, value: int) -> TenantLimit:
    """State a limit of the tenant."""
    found = (await work.session.scalars(select(TenantLimit).where(TenantLimit.name == name))).one_or_none()
    if found is None:
        found = TenantLimit(name=name, value=value)
        work.session.add(found)
    else:
        found.value = value
    return found
