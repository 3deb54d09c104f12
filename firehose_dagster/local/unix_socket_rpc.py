"""XML-RPC over a Unix socket, as supervisord serves it. supervisor's own client leaves its sockets open."""

import socket
import xmlrpc.client
from http.client import HTTPConnection
from pathlib import Path

_TIMEOUT_SECONDS = 180.0
"""Stopping a program is answered when it is gone."""


class _UnixSocketConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT_SECONDS)
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        self.sock = connection


class UnixSocketTransport(xmlrpc.client.Transport):
    """For `xmlrpc.client.ServerProxy`; the host of its address means nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> HTTPConnection:
        """A new connection for each call: a call is rare, and supervisord may have been restarted."""
        self.close()
        connection = _UnixSocketConnection(self._path)
        self._connection = ("localhost", connection)
        return connection
