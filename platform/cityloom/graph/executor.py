"""graphql-core's executor, taught to pass on what the database has already written as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

if TYPE_CHECKING:
    from graphql import GraphQLObjectType, GraphQLOutputType, GraphQLResolveInfo
    from graphql.execution.collect_fields import FieldDetailsList
    from graphql.pyutils import AwaitableOrValue, Path


class CompiledExecutor(StrawberryGraphQLCoreExecutionContext):
    """Answers compiled root fields from `compiled` and completes everything else as usual."""

    def __init__(self, *args: Any, compiled: dict[str, bytes] | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - as the base class
        super().__init__(*args, **kwargs)
        self.compiled = compiled or {}

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,  # noqa: ANN401 - whatever the resolver above returned
        field_details_list: FieldDetailsList,
        path: Path,
        position_context: Any,  # noqa: ANN401 - as the base class
    ) -> AwaitableOrValue[Any]:
        """A root field that is compiled is not resolved; the others are."""
        if path.prev is None:
            found = self.compiled.get(str(path.key))
            if found is not None:
                return orjson.Fragment(found)
        return super().execute_field(parent_type, source, field_details_list, path, position_context)

    def complete_value(
        self,
        return_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,  # noqa: ANN401 - whatever a resolver returns
        position_context: Any,  # noqa: ANN401 - as the base class
    ) -> AwaitableOrValue[Any]:
        """A fragment of finished JSON is complete; the others are completed."""
        if isinstance(result, orjson.Fragment):
            return result
        return super().complete_value(return_type, field_details_list, info, path, result, position_context)
