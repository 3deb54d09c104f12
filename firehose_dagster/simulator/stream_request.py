"""The JSON requests a client may send over its WebSocket, and their answers."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import msgspec

from firehose_dagster.simulator.client import Client

MAX_STREAMS = 1_024
"""Of one connection."""
_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_MAX_ID_LENGTH = 36


class StreamRequestError(ValueError):
    """A request is refused with the exchange's code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def answer(
    text: str, client: Client, subscribe: Callable[[Client, str], None], unsubscribe: Callable[[Client, str], None]
) -> str:
    """Carry the request out; the JSON to answer, an error among them."""
    request_id: Any = None
    try:
        request = _request(text)
        request_id = _id(request)
        result = _carry_out(request, client, subscribe, unsubscribe)
    except StreamRequestError as error:
        return _json({"error": {"code": error.code, "msg": str(error)}, "id": request_id})
    return _json({"result": result, "id": request_id})


def refused_streams(streams: Iterable[str]) -> bool:
    """Whether any is no stream name. A well-formed stream of an unknown symbol is accepted, and silent."""
    return any("@" not in stream and not stream.startswith("!") for stream in streams)


def _request(text: str) -> dict[str, Any]:
    try:
        request = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise StreamRequestError(3, "Invalid JSON: expected value at line 1 column 1") from error
    if not isinstance(request, dict):
        raise StreamRequestError(2, "Invalid request: an object was expected")
    return request


def _id(request: dict[str, Any]) -> int | str | None:
    request_id = request.get("id")
    if request_id is None or (isinstance(request_id, int) and not isinstance(request_id, bool)):
        return request_id
    if isinstance(request_id, str) and len(request_id) <= _MAX_ID_LENGTH and request_id.replace("-", "").isalnum():
        return request_id
    raise StreamRequestError(2, "Invalid request: request ID must be an integer, a short alphanumeric string or null")


def _carry_out(
    request: dict[str, Any],
    client: Client,
    subscribe: Callable[[Client, str], None],
    unsubscribe: Callable[[Client, str], None],
) -> object:
    method = request.get("method")
    if method is None:
        raise StreamRequestError(2, "Invalid request: missing field `method`")
    if method not in _METHODS:
        raise StreamRequestError(
            2, f"Invalid request: unknown variant `{method}`, expected one of {', '.join(_METHODS)}"
        )
    if method == "LIST_SUBSCRIPTIONS":
        return list(client.streams)
    params = request.get("params")
    if not isinstance(params, list) or not params:
        raise StreamRequestError(2, "Invalid request: missing field `params`")
    if method in ("SET_PROPERTY", "GET_PROPERTY"):
        return _property(params, client, is_set=method == "SET_PROPERTY")
    if not all(isinstance(stream, str) for stream in params) or refused_streams(params):
        raise StreamRequestError(2, "Invalid request: invalid stream")
    if method == "UNSUBSCRIBE":
        for stream in params:
            unsubscribe(client, stream)
        return None
    if len(client.streams.keys() | set(params)) > MAX_STREAMS:
        raise StreamRequestError(4, "Too many subscriptions")
    for stream in params:
        subscribe(client, stream)
    return None


def _property(params: list[Any], client: Client, *, is_set: bool) -> object:
    if params[0] != "combined":
        raise StreamRequestError(0, "Unknown property")
    if not is_set:
        return client.kind.combined
    if len(params) != 2 or not isinstance(params[1], bool):
        raise StreamRequestError(1, "Invalid value type: expected Boolean")
    client.kind = replace(client.kind, combined=params[1])
    return None


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
