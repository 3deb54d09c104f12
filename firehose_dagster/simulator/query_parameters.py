"""What stands behind the question mark of an admin request."""

from aiohttp import web


def symbols(request: web.Request) -> tuple[str, ...]:
    """Of `?symbols=A,B`; empty where none is named."""
    return tuple(symbol for symbol in request.query.get("symbols", "").split(",") if symbol)


def whole_number(request: web.Request, name: str, otherwise: int | None = None) -> int:
    """Of `?name=`; a request without it has `otherwise`. Answered 400 where there is neither, or no whole number."""
    text = request.query.get(name, "" if otherwise is None else str(otherwise))
    if not (text.isascii() and text.isdigit()):
        raise web.HTTPBadRequest(text=f"{name}={text!r}: a whole number from 0 is needed")
    return int(text)
