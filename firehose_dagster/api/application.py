"""The FastAPI application: routes, token, problems instead of error pages, the page at `/`."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from firehose_dagster.api import page
from firehose_dagster.api.lake_access import LakeAccess
from firehose_dagster.api.open_api import describe
from firehose_dagster.api.paging import CursorError
from firehose_dagster.api.problems import ApiProblem, FieldError, problem_response
from firehose_dagster.api.routes import open_router, router
from firehose_dagster.api.token import token_check
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)


def create_application(settings: Settings) -> FastAPI:
    """The API over the lake of `settings`. Opens nothing before the first request."""
    lake = LakeAccess(settings)

    @asynccontextmanager
    async def close_at_the_end(_app: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            lake.close()

    # FastAPI's own /docs loads its files from elsewhere.
    app = FastAPIOffline(
        title="Crypto Firehose",
        summary="What the lake holds. Shapes and rules: docs/api.md.",
        version="1",
        lifespan=close_at_the_end,
        redoc_url=None,
    )
    app.state.lake = lake
    token = settings.api_token.get_secret_value()
    app.include_router(router, dependencies=[Depends(token_check(token))] if token else [])
    app.include_router(open_router)
    page.add_to(app)
    describe(app)
    _answer_with_problems(app)
    return app


def _answer_with_problems(app: FastAPI) -> None:
    @app.exception_handler(ApiProblem)
    async def known(request: Request, problem: ApiProblem) -> Response:
        return problem_response(problem.kind, problem.detail, request.url.path, problem.errors)

    @app.exception_handler(CursorError)
    async def bad_cursor(request: Request, error: CursorError) -> Response:
        errors = [FieldError(name="query.cursor", message=str(error))]
        return problem_response("invalid-request", f"cursor {error}", request.url.path, errors)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        errors = [
            FieldError(name=".".join(str(part) for part in each["loc"]), message=each["msg"]) for each in error.errors()
        ]
        detail = "; ".join(f"{each.name}: {each.message}" for each in errors)
        return problem_response("invalid-request", detail, request.url.path, errors)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        path = request.url.path
        if error.status_code == 405:
            response = problem_response("method-not-allowed", f"{path} has no {request.method}", path)
            response.headers.update(error.headers or {})
            return response
        if error.status_code == 404:
            return problem_response("not-found", f"there is no {path}; /docs lists what there is", path)
        return problem_response("invalid-request", str(error.detail), path)

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        logger.error("request failed path=%s", request.url.path, exc_info=error)
        return problem_response("internal-error", "the log of the API has the trace", request.url.path)
