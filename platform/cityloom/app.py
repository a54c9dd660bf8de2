"""The composition root: the only place that builds engines and pools and ties slices together."""

from __future__ import annotations

import asyncio
import gc
import os
from asyncio import timeout
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import asyncpg
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute

from cityloom.access.authentication import NO_TENANT, Authenticator
from cityloom.access.catalogue import Catalogue
from cityloom.access.decisions import AccessDecisions
from cityloom.access.passwords import LoginThrottles, Passwords
from cityloom.access.service.sessions import Logins
from cityloom.access.snapshots import AccessSnapshots
from cityloom.audit.checkpoints import Checkpoints, Signer
from cityloom.audit.service import write_entries
from cityloom.core import logs, telemetry
from cityloom.core.clock import Clock, SystemClock
from cityloom.core.crypto import FileKeyProvider
from cityloom.core.subjects import erasable_tables
from cityloom.core.tallies.keeping import are_kept
from cityloom.core.work import Works
from cityloom.events.catalogue import EventCatalogue
from cityloom.events.service import write_outbox
from cityloom.events.signals import Signals
from cityloom.events.stream import Streams
from cityloom.exports.endpoint import ExportsEndpoint, exports_routes
from cityloom.files.endpoint import FilesEndpoint, files_routes
from cityloom.files.store import FileStore, open_store
from cityloom.graph.allowance import Allowance
from cityloom.graph.compiled import CompiledReads
from cityloom.graph.compiler import Compiler
from cityloom.graph.context import OperatorWork
from cityloom.graph.execution import GraphExecutor
from cityloom.graph.live.feeds import Feeds
from cityloom.graph.schema import shared_contracts
from cityloom.graph.shaping import Shaping
from cityloom.graph.trusted import DocumentRoom, TrustedDocuments
from cityloom.graph.web.endpoint import GraphEndpoint
from cityloom.graph.web.graphiql import graphiql_routes
from cityloom.graph.wholes import Wholes
from cityloom.imports.endpoint import ImportsEndpoint, imports_routes
from cityloom.imports.targets import Targets
from cityloom.installed import import_models, modules
from cityloom.modules.cases.letterbox import MailboxEndpoint, mailbox_routes
from cityloom.observation import Observed
from cityloom.open311.endpoint import Open311Endpoint, open311_routes
from cityloom.privacy.catalogue import SubjectCatalogue
from cityloom.privacy.endpoint import SubjectExportEndpoint, subject_export_routes
from cityloom.serving import DATABASE_VARIABLE, LET_GO
from cityloom.settings import Settings
from cityloom.storage import connections
from cityloom.tenancy.directory import TenantDirectory
from cityloom.tenancy.errors import TenantNotFound
from cityloom.tenancy.keys import KeyRing
from cityloom.tenancy.limits import demand_room
from cityloom.tenancy.service import TenantService
from cityloom.webhooks.web import KEPT_SECONDS, public_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

    from cityloom.core.database import Database
    from cityloom.core.principal import Principal
    from cityloom.core.work import Work
    from cityloom.graph.models import TrustedDocument


@dataclass(slots=True)
class Platform:
    """What one process is made of; the same for HTTP, the command line and tests."""

    settings: Settings
    database: Database
    works: Works
    directory: TenantDirectory
    snapshots: AccessSnapshots
    authenticator: Authenticator
    tenants: TenantService
    tenant_api: GraphExecutor
    platform_api: GraphExecutor
    files: FilesEndpoint
    imports: ImportsEndpoint
    exports: ExportsEndpoint
    open311: Open311Endpoint
    mailbox: MailboxEndpoint
    subject_exports: SubjectExportEndpoint


@asynccontextmanager
async def platform(settings: Settings, admin_url: str, *, clock: Clock | None = None) -> AsyncIterator[Platform]:
    """Everything one process is made of, open for as long as the block lasts."""
    telemetry.setup()
    clock = clock or SystemClock()
    # Whoever goes through all tables, as a departure does, must not miss those that nothing else has asked for yet.
    import_models()
    installed = modules()
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(connections(settings, admin_url))
        services: dict[type, Any] = {}
        works = Works(database, clock=clock, writers=(write_outbox, write_entries), services=services)
        directory = TenantDirectory(database, installed)
        await stack.enter_async_context(directory.listening())
        snapshots = await stack.enter_async_context(AccessSnapshots(database, Catalogue.of(installed)))
        authenticator = Authenticator(
            database,
            snapshots,
            directory,
            clock=clock,
            environment=settings.environment,
            trusts_forwarded_for=settings.trusts_forwarded_for,
        )
        stack.push_async_callback(authenticator.close)
        tenants = TenantService(works, installed, settings.tenants)
        compiler = Compiler(
            uses_tallies=await are_kept(database.reads),
            telling=erasable_tables(one for module in installed for one in module.holdings),
        )
        services |= {
            Settings: settings,
            Works: works,
            TenantDirectory: directory,
            AccessSnapshots: snapshots,
            TenantService: tenants,
            KeyRing: KeyRing(FileKeyProvider(settings.var / "keys" / "tenants"), database, clock),
            Logins: Logins(works, directory, Passwords(), LoginThrottles(database, clock)),
            Compiler: compiler,
            EventCatalogue: EventCatalogue.of(installed),
            SubjectCatalogue: SubjectCatalogue.of(installed),
            Targets: Targets.of(installed),
            Signals: await stack.enter_async_context(Signals(database)),
            Streams: await stack.enter_async_context(Streams(database)),
            FileStore: FileStore(open_store(settings.files, settings.var / "files"), clock),
            Checkpoints: Checkpoints(
                open_store(settings.audit_checkpoints, settings.var / "audit"),
                Signer.in_file(settings.var / "keys" / "audit"),
            ),
            DocumentRoom: DocumentRoom(_demand_room_for_documents),
        }
        contracts, reads = shared_contracts(installed, "tenant"), CompiledReads(compiler, database, services)
        modules_of, allowance_of = partial(_modules_of, directory), partial(_allowance_of, directory)
        services[Shaping] = Shaping(contracts, reads, modules_of=modules_of, allowance_of=allowance_of)
        services[Wholes] = Wholes(contracts, compiler, modules_of=modules_of, allowance_of=allowance_of)
        decisions, admit = AccessDecisions(works), partial(_demand_open, directory)
        feeds = Feeds(services[Streams], reads.fetch_of, services, admit=admit, decisions=decisions)
        services[Feeds] = await stack.enter_async_context(feeds)
        tenant_api = GraphExecutor(
            contracts,
            modules_of=modules_of,
            begin=partial(_writable, works, directory),
            reads=reads,
            trusted=TrustedDocuments(database),
            decisions=decisions,
            services=services,
            allowance_of=allowance_of,
            deadline_seconds=settings.deadline_seconds,
        )
        platform_api = GraphExecutor(
            shared_contracts(installed, "platform"),
            modules_of=partial(_all_modules, frozenset(module.name for module in installed)),
            begin=partial(_operator_work, services, clock),
            services=services,
            deadline_seconds=120.0,
        )
        files = FilesEndpoint(authenticator, partial(_writable, works, directory), works.begin, services)
        imports = ImportsEndpoint(authenticator, partial(_writable, works, directory), works.begin)
        open311 = Open311Endpoint(tenant_api, directory, authenticator, partial(_writable, works, directory), clock)
        yield Platform(
            settings,
            database,
            works,
            directory,
            snapshots,
            authenticator,
            tenants,
            tenant_api,
            platform_api,
            files,
            imports,
            ExportsEndpoint(works.begin, services),
            open311,
            MailboxEndpoint(authenticator, partial(_writable, works, directory)),
            SubjectExportEndpoint(authenticator, works.begin),
        )


async def _modules_of(directory: TenantDirectory, principal: Principal) -> frozenset[str]:
    """The caller's city decides; a caller without a credential sees the core alone."""
    if principal.tenant_id == NO_TENANT:
        return frozenset()
    return (await directory.get(principal.tenant_id)).modules


async def _demand_open(directory: TenantDirectory, principal: Principal) -> None:
    """Live to those alone whose city is neither suspended nor gone (`TenantSuspended`)."""
    if principal.tenant_id != NO_TENANT:
        (await directory.get(principal.tenant_id)).demand_writable()


async def _all_modules(names: frozenset[str], _principal: Principal) -> frozenset[str]:
    return names


def _allowance_of(directory: TenantDirectory, principal: Principal) -> Allowance:
    """The tenant's limits; the platform's own for callers whose tenant this process has not looked up yet."""
    config = directory.known(principal.tenant_id)
    if config is None:
        return Allowance()
    per_minute = config.limit("client_cost_per_minute")
    return Allowance(config.limit("operation_cost"), per_minute, per_minute / 60)


async def _demand_room_for_documents(work: Work, table: type[TrustedDocument], count: int) -> None:
    await demand_room(work, "trusted_documents", table, count)


@asynccontextmanager
async def _writable(works: Works, directory: TenantDirectory, principal: Principal) -> AsyncIterator[Work]:
    """A unit of work of a tenant that may be changed at present; refuses (`TenantSuspended`) otherwise."""
    if principal.tenant_id != NO_TENANT:
        (await directory.get(principal.tenant_id)).demand_writable()
    async with works.begin(principal) as work:
        yield work


@asynccontextmanager
async def _operator_work(services: dict[type, Any], clock: Clock, principal: Principal) -> AsyncIterator[OperatorWork]:
    yield OperatorWork(principal, services, clock)


class _Late:
    """An ASGI application that the running platform has under this name: routes are made before it is open."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await getattr(scope["app"].state, self._name)(scope, receive, send)


class _Straight:
    """HTTP requests of one path go to one application; those of others, and websockets, through Starlette's routing.

    Routing costs a small read a twentieth of its time, and answers nothing that the graph's endpoint does not.
    """

    def __init__(self, app: ASGIApp, *, path: str, to: ASGIApp) -> None:
        self._app, self._path, self._to = app, path, to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_its = scope["type"] == "http" and scope["path"] == self._path
        await (self._to if is_its else self._app)(scope, receive, send)


def create_app(opened: Platform | None = None) -> Starlette:
    """The ASGI application. Without a platform it opens its own when it starts, as the serving processes do."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            found = await stack.enter_async_context(_own_platform()) if opened is None else opened
            app.state.platform = found
            feeds = found.works.services[Feeds]
            app.state.tenant_api = GraphEndpoint(found.tenant_api, found.authenticator, feeds)
            app.state.files = found.files
            app.state.imports = found.imports
            app.state.exports = found.exports
            app.state.open311 = found.open311
            app.state.mailbox = found.mailbox
            app.state.subject_exports = found.subject_exports
            app.state.platform_api = GraphEndpoint(found.platform_api, found.authenticator.operator)
            yield

    tenant_api = _Late("tenant_api")
    return Starlette(
        routes=[
            WebSocketRoute("/graphql", tenant_api),
            Route("/platform/graphql", _Late("platform_api")),
            *files_routes(_Late("files")),
            *imports_routes(_Late("imports")),
            *exports_routes(_Late("exports")),
            *open311_routes(_Late("open311")),
            *mailbox_routes(_Late("mailbox")),
            *subject_export_routes(_Late("subject_exports")),
            *graphiql_routes("/console/graphiql"),
            Route("/", _index, methods=["GET"]),
            Route("/healthz", _healthz, methods=["GET"]),
            Route("/readyz", _readyz, methods=["GET"]),
            Route("/metrics", _metrics, methods=["GET"]),
            Route("/webhooks/{city}/jwks.json", _webhook_keys, methods=["GET"]),
        ],
        middleware=[Middleware(Observed), Middleware(_Straight, path="/graphql", to=tenant_api)],
        lifespan=lifespan,
    )


@asynccontextmanager
async def _own_platform() -> AsyncIterator[Platform]:
    settings = Settings.from_environment(os.environ)
    logs.setup(form=settings.log_format, level=settings.log_level)
    address = os.environ.get(DATABASE_VARIABLE) or settings.database_url
    if address is None:
        message = f"{DATABASE_VARIABLE} or DATABASE_URL must name the database: start with `cityloom up`"
        raise RuntimeError(message)
    async with platform(settings, address) as opened:
        # Schemas, models and what else was loaded lives as long as the process: never look through it for garbage.
        gc.freeze()
        # A mutation makes some thousand objects, nearly all without cycles: every 700 of them is far too often.
        gc.set_threshold(20_000, 20, 50)
        gc.enable()
        asyncio.get_running_loop().add_signal_handler(LET_GO, opened.works.services[Feeds].close)
        yield opened


async def _index(request: Request) -> Response:
    """A browser goes to the console, a program is told where things are."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/console/graphiql")
    return JSONResponse({"graphql": "/graphql", "control": "/platform/graphql", "console": "/console/graphiql"})


async def _healthz(_request: Request) -> Response:
    """The process answers; says nothing of what it depends on."""
    return PlainTextResponse("ok\n")


async def _readyz(request: Request) -> Response:
    """Whether requests can be served: the database answers and access rules are current; 503 says what is not so."""
    opened: Platform = request.app.state.platform
    faults = []
    try:
        async with timeout(2):
            await opened.database.reads.fetchval("SELECT 1")
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        faults.append("database")
    if not opened.snapshots.is_current:
        faults.append("access")
    return JSONResponse({"ready": not faults, "faults": faults}, status_code=503 if faults else 200)


async def _webhook_keys(request: Request) -> Response:
    """The public keys by which a city's webhooks are signed; an unknown city has none to show."""
    opened: Platform = request.app.state.platform
    try:
        city = await opened.directory.by_slug(request.path_params["city"])
    except TenantNotFound:
        return JSONResponse({"keys": []}, status_code=404)
    found = await public_keys(opened.works, city.id)
    return JSONResponse(found, headers={"cache-control": f"public, max-age={KEPT_SECONDS}"})


async def _metrics(_request: Request) -> Response:
    """The metrics of this process in Prometheus' text format."""
    body, content_type = telemetry.setup().prometheus()
    return Response(body, headers={"content-type": content_type})
