"""Stands before the catalog and can lose the answer to a commit: the catalog did it, the client never learns."""

import http.client
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

_HOP_HEADERS = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host"})


class CatalogProxy:
    """An HTTP proxy in a thread of this process, from `start` to `stop`."""

    def __init__(self, port: int, catalog_port: int) -> None:
        self._lose_from: str | None = None
        self._lost = threading.Event()
        handler = type("Handler", (_Handler,), {"proxy": self, "catalog_port": catalog_port})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="catalog-proxy", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def lose_next_commit(self, table: str) -> None:
        """The next commit to the table is done, and its answer is not delivered."""
        self._lost.clear()
        self._lose_from = table

    def has_lost_one(self) -> bool:
        return self._lost.is_set()

    def loses(self, method: str, path: str) -> bool:
        """Whether this answer is the one to lose; only one is."""
        if self._lose_from is None or method != "POST" or not path.endswith(f"/tables/{self._lose_from}"):
            return False
        self._lose_from = None
        self._lost.set()
        return True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: ClassVar[CatalogProxy]
    catalog_port: ClassVar[int]

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            status, headers, answer = self._ask(body)
        except OSError:
            # What a client sees of a catalog that is down.
            self.close_connection = True
            self.connection.close()
            return
        if status < 300 and self.proxy.loses(self.command, self.path):
            self.close_connection = True
            self.connection.close()
            return
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in _HOP_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _ask(self, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.catalog_port, timeout=60)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_HEADERS}
            connection.request(self.command, self.path, body or None, kept)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()

    do_GET = do_POST = do_DELETE = do_HEAD = do_PUT = _forward

    def log_message(self, format: str, *args: Any) -> None:
        """Every commit would be a line."""
