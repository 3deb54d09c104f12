"""The live page at `/`: files of this package, and the charting library's from its own. No other server is asked."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response

_PAGE_FILES = Path(str(files("firehose_dagster.api") / "page_files"))
_CHARTS = Path(str(files("litecharts") / "js" / "lightweight-charts.js"))
_STATIC: dict[str, Path] = {
    "page.css": _PAGE_FILES / "page.css",
    "page.js": _PAGE_FILES / "page.js",
    "lightweight-charts.js": _CHARTS,
}
_HEADERS = {
    # The page runs its own scripts and asks its own API; nothing else, wherever it comes from.
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def add_to(app: FastAPI) -> None:
    """Serve the page and its files; they hold no data, so they need no token."""

    @app.get("/", include_in_schema=False)
    def page(_request: Request) -> Response:
        return FileResponse(_PAGE_FILES / "index.html", headers=_HEADERS)

    for name, path in _STATIC.items():
        app.add_api_route(f"/static/{name}", _file(path), include_in_schema=False)


def _file(path: Path) -> Callable[[Request], Response]:
    def send(_request: Request) -> Response:
        return FileResponse(path, headers=_HEADERS)

    return send
