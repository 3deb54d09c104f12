"""The OpenAPI document: every operation names its problems, in their media type."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from firehose_dagster.api.problems import MEDIA_TYPE, Problem

_SCHEMA = "#/components/schemas/{model}"
_PROBLEMS = {
    "401": "No token, or a wrong one",
    "403": "A page of another site may not write",
    "404": "No such path, or no such spike",
    "422": "A parameter or the body is not usable",
    "503": "The lake does not answer, or the snapshot was expired meanwhile",
}
_OF_FASTAPI = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> None:
    """Let the application give this document instead of FastAPI's own."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # FastAPI documents this as the way


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    problem = Problem.model_json_schema(ref_template=_SCHEMA)
    schemas: dict[str, Any] = document["components"]["schemas"]
    for name in _OF_FASTAPI:
        schemas.pop(name, None)
    schemas |= problem.pop("$defs") | {"Problem": problem}
    content = {MEDIA_TYPE: {"schema": {"$ref": _SCHEMA.format(model="Problem")}}}
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"] |= {
                status: {"description": text, "content": content} for status, text in _PROBLEMS.items()
            }
    return document
