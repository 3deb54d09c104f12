"""Errors as answers: RFC 9457 problem details, one type for each way a request can fail."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import Response
from pydantic import BaseModel, Field

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5

_KINDS: Mapping[str, tuple[int, str]] = {
    "invalid-request": (422, "The request is not usable"),
    "unauthorized": (401, "A token is needed"),
    "cross-site": (403, "A page of another site may not write"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "The path has no such method"),
    "snapshot-expired": (503, "The snapshot was expired while it was read"),
    "lake-unavailable": (503, "The lake does not answer"),
    "internal-error": (500, "A fault of the API"),
}
_HEADERS: Mapping[str, Mapping[str, str]] = {
    "unauthorized": {"WWW-Authenticate": "Bearer"},
    "snapshot-expired": {"Retry-After": "0"},
    "lake-unavailable": {"Retry-After": str(RETRY_AFTER_SECONDS)},
}


class FieldError(BaseModel):
    """One parameter or field that is not usable."""

    name: str = Field(description="Where it stands: `query.limit`, `body.detail`.")
    message: str


class Problem(BaseModel):
    """Problem details as in RFC 9457."""

    type: str = Field(description="`/problems/<kind>`; docs/api.md lists them.")
    title: str
    status: int
    detail: str
    instance: str = Field(description="The path asked for.")
    errors: list[FieldError] = Field(default=[], description="Each parameter that is not usable.")


class ApiProblem(Exception):
    """Ends a request with a problem. `kind` is one of the types in docs/api.md."""

    def __init__(self, kind: str, detail: str, errors: Sequence[FieldError] = ()) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = tuple(errors)


def problem_response(kind: str, detail: str, instance: str, errors: Sequence[FieldError] = ()) -> Response:
    """The answer to send."""
    status, title = _KINDS[kind]
    content: dict[str, Any] = {
        "type": f"/problems/{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
    }
    if errors:
        content["errors"] = [each.model_dump() for each in errors]
    return Response(msgspec.json.encode(content), status, headers=dict(_HEADERS.get(kind, {})), media_type=MEDIA_TYPE)
