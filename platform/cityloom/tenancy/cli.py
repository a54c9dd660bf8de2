"""`cityloom tenants …`: packs and tenants from a shell, in the shell's language."""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cityloom.core.errors import Refusal
from cityloom.core.module import Module
from cityloom.core.text import Locale, Text
from cityloom.tenancy.packs import InvalidPack, PackSource, Problems, read_folder, write_folder
from cityloom.tenancy.packs.json_schema import pack_schema
from cityloom.tenancy.packs.tables import TENANT_FILE
from cityloom.tenancy.service import TenantService, pack_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cityloom.tenancy.packs import Plan

#: Lines of a plan that are shown in full; the counts always are.
MOST_LINES = 60
_COLOURS = {"+": "green", "~": "yellow", "-": "red"}


@dataclass(frozen=True, slots=True)
class Shell:
    """What the commands stand on; the root command line puts it into `ctx.obj`."""

    tenants: Path
    locale: Locale
    modules: Callable[[], Sequence[Module]]
    service: Callable[[], AbstractAsyncContextManager[TenantService]]


tenants_app = typer.Typer(name="tenants", help="Tenants and their packs · 租户与配置包", no_args_is_help=True)
module_app = typer.Typer(name="module", help="Modules of a tenant · 租户的模块", no_args_is_help=True)
tenants_app.add_typer(module_app)

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

Packs = Annotated[list[str] | None, typer.Argument(help="Names below the folder of tenants, or folders; all if none.")]
Pack = Annotated[str, typer.Argument(help="A name below the folder of tenants, or a folder.")]
Slug = Annotated[str, typer.Argument(help="The tenant's short name.")]


@tenants_app.command("check")
def check_packs(ctx: typer.Context, packs: Packs = None) -> None:
    """Look for everything that is wrong with packs, without a database."""
    shell: Shell = ctx.obj
    engine = pack_engine(shell.modules(), shell.tenants)
    found = 0
    for name in packs or _names(shell):
        problems = Problems()
        source = _source(shell, name, problems)
        wrong = engine.problems(source, problems)
        found += len(wrong)
        for problem in wrong:
            _err.print(f"[red]✗[/] {escape(name)}/{escape(problem.text(shell.locale))}")
        if not wrong:
            files = engine.canonical(engine.check(source))
            loose = sorted(path for path in source.files if files.get(path) != source.files[path])
            _out.print(f"[green]✓[/] {escape(name)}")
            for path in loose:
                say = _say(shell, "不是规范格式,可运行 tenants format", "not in canonical form: run `tenants format`")
                _out.print(f"  [yellow]·[/] {escape(path)}: {say}")
    if found:
        raise typer.Exit(1)


@tenants_app.command("format")
def format_packs(ctx: typer.Context, packs: Packs = None) -> None:
    """Rewrite packs in canonical form; comments are not kept."""
    shell: Shell = ctx.obj
    engine = pack_engine(shell.modules(), shell.tenants)
    with _refusals(shell):
        for name in packs or _names(shell):
            problems = Problems()
            pack = engine.check(_source(shell, name, problems), problems)
            write_folder(_folder(shell, name), engine.canonical(pack))
            _out.print(f"[green]✓[/] {escape(name)}")


@tenants_app.command("plan")
def plan_pack(ctx: typer.Context, pack: Pack) -> None:
    """Show what applying a pack would change."""
    shell: Shell = ctx.obj

    async def run() -> None:
        async with shell.service() as service:
            _show(shell, await service.plan(_sound(shell, pack)))

    _run(shell, run)


@tenants_app.command("apply")
def apply_packs(
    ctx: typer.Context,
    packs: Packs = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before anything is removed.")] = False,
) -> None:
    """Make tenants what their packs state; a second time changes nothing."""
    shell: Shell = ctx.obj

    async def run() -> None:
        async with shell.service() as service:
            for name in packs or _names(shell):
                source = _sound(shell, name)
                plan = await service.plan(source)
                _show(shell, plan)
                if not plan:
                    continue
                removed = plan.total("-")
                question = _say(shell, f"将删除 {removed} 项,继续?", f"{removed} rows will be removed. Go on?")
                if removed and not yes and not typer.confirm(question):
                    raise typer.Exit(1)
                await service.apply(source, actor=actor(), expected=plan.digest)
                _out.print(f"[green]✓[/] {escape(plan.slug)} {_say(shell, '已应用', 'applied')}")

    _run(shell, run)


@tenants_app.command("export")
def export_pack(
    ctx: typer.Context,
    slug: Slug,
    to: Annotated[Path | None, typer.Option(help="Folder to write to; the tenant's own where none is given.")] = None,
) -> None:
    """Write a tenant's pack as the database has it."""
    shell: Shell = ctx.obj

    async def run() -> None:
        async with shell.service() as service:
            files = await service.export(slug)
        target = to or shell.tenants / slug
        write_folder(target, files)
        _out.print(f"[green]✓[/] {escape(str(target))} ({len(files)})")

    _run(shell, run)


@tenants_app.command("list")
def list_tenants(
    ctx: typer.Context, *, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """List the tenants with state and modules."""
    shell: Shell = ctx.obj

    async def run() -> None:
        async with shell.service() as service:
            found = await service.overviews()
        rows = [
            {
                "slug": one.tenant.slug,
                "name": Text(one.tenant.name_zh, one.tenant.name_en)[shell.locale],
                "state": one.tenant.state,
                "modules": [m.module for m in one.modules if m.is_enabled],
            }
            for one in found
        ]
        if as_json:
            sys.stdout.write(json.dumps(rows, ensure_ascii=False) + "\n")
            return
        columns = ("名称", "状态", "模块") if shell.locale == "zh" else ("name", "state", "modules")
        table = Table("slug", *columns)
        for row in rows:
            table.add_row(*(escape(", ".join(v) if isinstance(v, list) else str(v)) for v in row.values()))
        _out.print(table)

    _run(shell, run)


@tenants_app.command("suspend")
def suspend_tenant(
    ctx: typer.Context, slug: Slug, reason: Annotated[str, typer.Option(prompt=True, help="Why; is recorded.")]
) -> None:
    """Let a tenant be read but not changed."""
    shell: Shell = ctx.obj

    async def run() -> None:
        async with shell.service() as service:
            tenant = await service.suspend(slug, reason=reason, actor=actor())
        _out.print(f"[green]✓[/] {escape(slug)} {tenant.state}")

    _run(shell, run)


@tenants_app.command("resume")
def resume_tenant(ctx: typer.Context, slug: Slug) -> None:
    """End a suspension."""
    shell: Shell = ctx.obj

    async def run() -> None:
        async with shell.service() as service:
            tenant = await service.resume(slug, actor=actor())
        _out.print(f"[green]✓[/] {escape(slug)} {tenant.state}")

    _run(shell, run)


@tenants_app.command("limit")
def set_limit(
    ctx: typer.Context,
    slug: Slug,
    name: Annotated[str, typer.Argument(help="The limit's name.")],
    value: Annotated[int | None, typer.Argument(help="The platform's default where none is given.")] = None,
) -> None:
    """Set a limit of a tenant."""
    shell: Shell = ctx.obj

    async def run() -> None:
        async with shell.service() as service:
            await service.set_limit(slug, name, value, actor=actor())
        _out.print(f"[green]✓[/] {escape(slug)} {escape(name)} = {'—' if value is None else value}")

    _run(shell, run)


@tenants_app.command("schema")
def print_schema(
    ctx: typer.Context,
) -> None:
    """Print the JSON Schema of `tenant.toml`, for an editor; `cityloom schema` writes it with the other contracts."""
    shell: Shell = ctx.obj
    sys.stdout.write(schema_text(shell.modules(), shell.tenants))


@module_app.command("enable")
def enable_module(
    ctx: typer.Context,
    slug: Slug,
    module: Annotated[str, typer.Argument(help="The module's name.")],
    settings: Annotated[
        str | None, typer.Option(help="Its settings as JSON; kept as they are where not given.")
    ] = None,
) -> None:
    """Switch a module on, or change its settings."""
    shell: Shell = ctx.obj
    try:
        given: Any = json.loads(settings) if settings is not None else None
    except json.JSONDecodeError as error:
        raise typer.BadParameter(str(error), param_hint="--settings") from None
    if given is not None and not isinstance(given, dict):
        raise typer.BadParameter("an object is needed", param_hint="--settings")

    async def run() -> None:
        async with shell.service() as service:
            await service.enable_module(slug, module, settings=given, actor=actor())
        _out.print(f"[green]✓[/] {escape(slug)} + {escape(module)}")

    _run(shell, run)


@module_app.command("disable")
def disable_module(ctx: typer.Context, slug: Slug, module: Annotated[str, typer.Argument(help="Its name.")]) -> None:
    """Switch a module off; its data stay."""
    shell: Shell = ctx.obj

    async def run() -> None:
        async with shell.service() as service:
            await service.disable_module(slug, module, actor=actor())
        _out.print(f"[green]✓[/] {escape(slug)} - {escape(module)}")

    _run(shell, run)


def schema_text(modules: Sequence[Module], tenants: Path) -> str:
    """The text of `schema/pack.schema.json`."""
    engine = pack_engine(modules, tenants)
    schema = pack_schema({module.name: module for module in modules}, engine.tables)
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def actor() -> str:
    """Who asks, for the records: the shell's user."""
    return f"shell:{getpass.getuser()}"


def _names(shell: Shell) -> list[str]:
    return sorted(path.parent.name for path in shell.tenants.glob(f"*/{TENANT_FILE}"))


def _folder(shell: Shell, name: str) -> Path:
    below = shell.tenants / name
    return below if (below / TENANT_FILE).is_file() else Path(name)


def _source(shell: Shell, name: str, problems: Problems) -> PackSource:
    return read_folder(_folder(shell, name), problems)


def _sound(shell: Shell, name: str) -> PackSource:
    problems = Problems()
    source = _source(shell, name, problems)
    problems.refuse()
    return source


def _show(shell: Shell, plan: Plan) -> None:
    if not plan:
        _out.print(f"{escape(plan.slug)}: {_say(shell, '无变化', 'nothing to change')}")
        return
    new = f" [green]({_say(shell, '新租户', 'new tenant')})[/]" if plan.is_new else ""
    _out.print(f"[bold]{escape(plan.slug)}[/]{new}")
    for table, counts in plan.counts().items():
        signs = "  ".join(f"[{_COLOURS[sign]}]{sign}{count}[/]" for sign, count in counts.items() if count)
        _out.print(f"  {escape(table)}  {signs}")
    # Removals and changes are what a person must see; a new city's thousand additions are not.
    lines = sorted(plan.changes, key=lambda change: "-~+".index(change.sign))[:MOST_LINES]
    for change in [] if plan.is_new else lines:
        fields = ", ".join(f"{name}: {old!r} → {new!r}" for name, (old, new) in change.fields.items())
        key = escape(", ".join(change.key))
        _out.print(f"    [{_COLOURS[change.sign]}]{change.sign}[/] {escape(change.table)} {key} {escape(fields)}")
    left = len(plan.changes) - len(lines)
    if left > 0 and not plan.is_new:
        _out.print(f"    … {left}")


def _say(shell: Shell, zh: str, en: str) -> str:
    return Text(zh, en)[shell.locale]


def _run(shell: Shell, run: Callable[[], Any]) -> None:
    with _refusals(shell):
        asyncio.run(run())


@contextmanager
def _refusals(shell: Shell) -> Iterator[None]:
    try:
        yield
    except InvalidPack as refusal:
        for problem in refusal.problems:
            _err.print(f"[red]✗[/] {escape(problem.text(shell.locale))}")
        _err.print(escape(refusal.message(shell.locale)))
        raise typer.Exit(1) from None
    except Refusal as refusal:
        _err.print(f"[red]✗[/] {escape(refusal.message(shell.locale))}")
        raise typer.Exit(1) from None
