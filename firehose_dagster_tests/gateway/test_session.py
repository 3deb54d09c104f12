"""What one connection says of its end."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import cast

import pytest

from firehose_dagster.binance.streams import plan_connections
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.heal import Healer
from firehose_dagster.gateway.publisher import Publisher
from firehose_dagster.gateway.session import Session

PAGE = b"<html>\n<body>Request blocked.\n<pre>Request ID: 8f1</pre>\n</body></html>"


class _Firewall(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("Content-Length", str(len(PAGE)))
        self.send_header("Set-Cookie", "visitor=secret")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def firewall_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Firewall) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield f"ws://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_a_refused_handshake_is_one_line_without_the_page_that_refused_it(firewall_url: str) -> None:
    (plan,) = plan_connections(firewall_url, ["BTCUSDT"])
    # Neither is asked for anything: no frame ever comes.
    healer, publisher = cast(Healer, None), cast(Publisher, None)
    session = Session(plan, Continuity({}).cursor(), healer, publisher, threading.Event())
    assert session.run() == "the handshake was answered 403"
