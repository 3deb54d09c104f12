"""The bearer token: asked for where one is set, compared in constant time."""

import secrets
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from firehose_dagster.api.problems import ApiProblem

_SCHEME = HTTPBearer(auto_error=False, description="FIREHOSE_API_TOKEN")


def token_check(token: str) -> Callable[..., None]:
    """A dependency that ends a request without this token."""
    expected = token.encode()

    def check(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_SCHEME)]) -> None:
        if credentials is None:
            raise ApiProblem("unauthorized", "send the header `Authorization: Bearer <token>`")
        if not secrets.compare_digest(credentials.credentials.encode(), expected):
            raise ApiProblem("unauthorized", "the token is not the one of this installation")

    return check
