"""Root fields of the graph itself."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry

from cityloom.core.errors import InvalidInput, NotFound, Refusal, RefusalCode
from cityloom.core.ids import decode_id
from cityloom.graph import bound as b
from cityloom.graph import models as m
from cityloom.graph import trusted
from cityloom.graph.bound.bindings import GraphPart
from cityloom.graph.documents import variables_of
from cityloom.graph.errors import DocumentInvalid
from cityloom.graph.limits import check_variables, measure
from cityloom.graph.mutations import mutation, mutation_root
from cityloom.graph.pricing import price

if TYPE_CHECKING:
    from uuid import UUID

    from cityloom.core.work import Work
    from cityloom.graph.context import GraphContext

PERMISSION = "graph.document.register"


class DocumentNotValid(Refusal):
    """The document does not fit this city's API: {problem}"""  # noqa: D415 - the problem ends it

    code = RefusalCode.INVALID_INPUT
    zh = "该文档不符合本城市的接口:{problem}"


@strawberry.type(description="What an operation would cost, told without running it.")
class QueryPrice:
    """The price of one operation."""

    cost: int = strawberry.field(description="About the most rows that it can read, by the sizes of its pages.")
    allowed: int = strawberry.field(description="The most that one operation of this caller may cost.")
    is_affordable: bool = strawberry.field(description="Whether it would be answered as far as its cost goes.")
    depth: int = strawberry.field(description="How many selections lie inside each other, fragments included.")
    fields: int = strawberry.field(description="How many fields it selects, fragments included.")


async def query_price(
    info: strawberry.Info,
    document: Annotated[str, strawberry.argument(description="The GraphQL document.")],
    variables: Annotated[
        strawberry.scalars.JSON | None,
        strawberry.argument(description="Its variables, an object; they decide page sizes."),
    ] = None,
    operation_name: Annotated[
        str | None, strawberry.argument(description="Which operation, where the document has several.")
    ] = None,
) -> QueryPrice:
    """What the operation would cost the caller."""
    context: GraphContext = info.context
    try:
        prepared = context.documents.prepare(context.contract, document, developer=context.principal.is_developer)
    except DocumentInvalid as invalid:
        raise DocumentNotValid(problem=invalid.errors[0].message, path=("document",)) from None
    given: Any = variables
    chosen = variables_of(prepared, operation_name, given if isinstance(given, dict) else {})
    check_variables(chosen, context.documents.limits)
    plan = None
    if prepared.is_query(operation_name):
        plan = context.reads.plan(context.contract, prepared, operation_name, chosen, context.principal)
    cost = price(plan, prepared, operation_name)
    size = measure(prepared.document)
    allowed = context.allowance.operation
    return QueryPrice(cost=cost, allowed=allowed, is_affordable=cost <= allowed, depth=size.depth, fields=size.fields)


@b.bound(
    m.TrustedDocument,
    tag="tdoc",
    module="graph",
    read=PERMISSION,
    orderings={"REGISTERED": (m.TrustedDocument.id,)},
)
class TrustedDocument(b.Node):
    """A registered document (已登记的查询文档), which callers may ask for by its id instead of sending its text."""

    document_id: str = b.column(
        m.TrustedDocument.document_id, "What is sent as `documentId`: `sha256:` and a hash, or the manifest's own id."
    )
    name: str | None = b.column(m.TrustedDocument.name, "The name that the manifest gives it.")
    body: str = b.column(m.TrustedDocument.body, "Its text, which never changes.")
    created_at: datetime = b.column(m.TrustedDocument.created_at, "When it was registered.")


@b.query(module="graph")
class TrustedDocumentQuery:
    """Registered documents."""

    trusted_documents: b.Connection[TrustedDocument] = b.root_connection(
        TrustedDocument, "The registered documents of the city, of all its clients."
    )


@strawberry.type(description="Reads of the graph itself.")
class GraphQuery:
    """Root fields for reads."""

    query_price: QueryPrice = strawberry.field(
        resolver=query_price,
        description="What an operation would cost, without running it. Refused where the document is not valid.",
    )


GraphQuery.__graph_part__ = GraphPart("query", "graph")  # type: ignore[attr-defined] # as b.query does


@strawberry.input(description="Documents that clients may then ask for by id.")
class TrustedDocumentsRegisterInput:
    """A manifest as a client's build writes it."""

    manifest: str = strawberry.field(
        description=(
            "The manifest's text, JSON: of Apollo (`apollo-persisted-query-manifest`), of Relay, or of GraphQL Code"
            " Generator (an object of texts by hash). At most 2,000 documents."
        )
    )
    client_id: strawberry.ID | None = strawberry.field(
        description="The API client that may use them; all callers of the city where it is left out.", default=None
    )


@strawberry.type(description="Documents that are registered now.")
class TrustedDocuments:
    """What a registration did."""

    document_ids: list[str] = strawberry.field(
        description="For each document, in the manifest's order: `sha256:` and the hash of its text, for `documentId`."
    )
    added: int = strawberry.field(description="How many ids were not registered before.")


@strawberry.input(description="Registered documents that nobody shall ask for any more.")
class TrustedDocumentsRemoveInput:
    """Ids as they were registered."""

    document_ids: list[str] = strawberry.field(description="The ids, at most 2,000; one that is unknown is no error.")
    client_id: strawberry.ID | None = strawberry.field(
        description="The API client for which they were registered; left out for those of all callers.", default=None
    )


@strawberry.type(description="Documents that were removed.")
class TrustedDocumentsRemoved:
    """What a removal did."""

    removed: int = strawberry.field(description="How many of the ids were registered until now.")


@strawberry.input(description="Whether a client is held to registered documents.")
class ClientRestrictInput:
    """One client."""

    client_id: strawberry.ID = strawberry.field(description="The API client.")
    is_restricted: bool = strawberry.field(
        description="True: it may only send `documentId`s of registered documents. False: it may send any document."
    )


@strawberry.type(description="Which documents a client may send.")
class ClientRestriction:
    """The state of one client."""

    client_id: strawberry.ID = strawberry.field(description="The API client.")
    is_restricted: bool = strawberry.field(description="Whether it is held to registered documents.")


def _client(work: Work, value: str | None) -> UUID | None:
    if value is None:
        return None
    found = decode_id(value, work.tenant_id, "clnt", path=("client_id",))
    if found is None:
        raise NotFound(thing="API client", thing_zh="接口客户端", path=("client_id",))
    return found


async def register_documents(work: Work, input: TrustedDocumentsRegisterInput) -> TrustedDocuments:  # noqa: A002 - the argument's name in GraphQL
    """Register the documents of a manifest."""
    work.authorise(PERMISSION)
    client_id = _client(work, input.client_id)
    entries = trusted.read_manifest(input.manifest)
    added = await trusted.register(work, entries, client_id)
    return TrustedDocuments(document_ids=[entry.ids[0] for entry in entries], added=added)


async def remove_documents(work: Work, input: TrustedDocumentsRemoveInput) -> TrustedDocumentsRemoved:  # noqa: A002 - as above
    """Remove registered documents."""
    work.authorise(PERMISSION)
    client_id = None
    if input.client_id is not None:
        client_id = decode_id(input.client_id, work.tenant_id, "clnt", path=("client_id",))
        if client_id is None:
            # Of a client that there is not, nothing is registered.
            return TrustedDocumentsRemoved(removed=0)
    if len(input.document_ids) > trusted.LARGEST_MANIFEST:
        raise InvalidInput(
            f"一次最多移除 {trusted.LARGEST_MANIFEST} 个文档。",
            f"At most {trusted.LARGEST_MANIFEST} documents are removed at once.",
            path=("document_ids",),
        )
    return TrustedDocumentsRemoved(removed=await trusted.remove(work, input.document_ids, client_id))


async def restrict_client(work: Work, input: ClientRestrictInput) -> ClientRestriction:  # noqa: A002 - as above
    """Hold a client to registered documents, or release it."""
    work.authorise(PERMISSION)
    client_id = _client(work, input.client_id)
    if client_id is not None:
        await trusted.restrict(work, client_id, is_restricted=input.is_restricted)
    return ClientRestriction(client_id=input.client_id, is_restricted=input.is_restricted)


@mutation_root(module="graph")
class GraphMutation:
    """Root fields for changes."""

    trusted_documents_register: TrustedDocuments = mutation(
        register_documents,
        "Register documents that clients may then ask for by id instead of sending their text. Registering one again"
        " changes nothing; a registered text never changes.",
        changes=False,
    )
    trusted_documents_remove: TrustedDocumentsRemoved = mutation(
        remove_documents,
        "Remove registered documents: within a second they cannot be asked for any more. Registering one again brings"
        " it back.",
        changes=False,
    )
    client_restrict: ClientRestriction = mutation(
        restrict_client,
        "Hold an API client to registered documents, or let it send any. It takes effect within a second.",
        changes=False,
    )
