"""What a view says about itself for the API's document: ``@operation(...)`` over each method.

``openapi_schema`` writes the document from it and from the very structs that read and write the bodies, so that it
cannot drift from the code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from paymentplatform.kernel.errors import DomainError

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of one view takes and answers."""

    name: str
    summary: str
    responses: Mapping[int, Any]
    body: type | None = None
    query: type | None = None
    errors: tuple[type[DomainError], ...] = ()
    tag: str = "orders"
    secured: bool = True
    path_descriptions: Mapping[str, str] = field(default_factory=dict)
    request_example: Mapping[str, Any] | None = None
    answer_example: Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | None = None


def operation(
    *,
    name: str,
    summary: str,
    responses: Mapping[int, Any],
    body: type | None = None,
    query: type | None = None,
    errors: tuple[type[DomainError], ...] = (),
    tag: str = "orders",
    secured: bool = True,
    path_descriptions: Mapping[str, str] | None = None,
    request_example: Mapping[str, Any] | None = None,
    answer_example: Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | None = None,
) -> Callable[[F], F]:
    """Describe a view's method; its docstring becomes the description.

    ``responses`` maps a status to a struct type (JSON), a media type (a file) or None (no content).
    ``errors`` names what it may refuse beyond what every operation may. ``name`` is the operationId. An example
    stands for every success; without one Swagger would make up a request that the decoder refuses.
    """

    def attach(method: F) -> F:
        described = Operation(
            name=name,
            summary=summary,
            responses=responses,
            body=body,
            query=query,
            errors=errors,
            tag=tag,
            secured=secured,
            path_descriptions=path_descriptions or {},
            request_example=request_example,
            answer_example=answer_example,
        )
        method.operation = described  # type: ignore[attr-defined]
        return method

    return attach
