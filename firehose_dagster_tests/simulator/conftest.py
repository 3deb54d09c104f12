"""Starts exchanges in a thread of the test process, and talks to them as a client would."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import websocket

from firehose_dagster.simulator.build import build_source
from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster.simulator.publisher import utc_now_us
from firehose_dagster.simulator.server import exchange as serving

TIMEOUT_SECONDS = 20
SYMBOLS = ("BTCUSDT", "ETHUSDT")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class RunningExchange:
    port: int
    stop: Callable[[], None]
    clients: list[websocket.WebSocket] = field(default_factory=list)

    def get(
        self, path: str, headers: dict[str, str] | None = None, method: str = "GET", body: str | None = None
    ) -> Answer:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            headers=headers or {},
            method=method,
            data=body.encode() if body is not None else None,
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310 - always http
                return Answer(response.status, dict(response.headers), json.loads(response.read()))
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode()
                return Answer(error.code, dict(error.headers), json.loads(text) if text.startswith("{") else text)

    def post(self, path: str, body: str | None = None) -> Answer:
        return self.get(path, method="POST", body=body)

    def connect(self, path: str) -> websocket.WebSocket:
        """A connected client; it is closed with the exchange at the latest."""
        client = websocket.create_connection(f"ws://127.0.0.1:{self.port}{path}", timeout=TIMEOUT_SECONDS)
        self.clients.append(client)
        return client

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.get("/admin/status").body
        return status


Start = Callable[[ExchangeOptions], RunningExchange]


@contextmanager
def _running(options: ExchangeOptions) -> Iterator[RunningExchange]:
    source = build_source(options, utc_now_us())
    started = threading.Event()
    loop = asyncio.new_event_loop()
    stopping = asyncio.Event()
    ports: list[int] = []

    async def serve() -> None:
        async with serving(options, source) as port:
            ports.append(port)
            started.set()
            await stopping.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert started.wait(TIMEOUT_SECONDS)

    def stop() -> None:
        if thread.is_alive():
            loop.call_soon_threadsafe(stopping.set)
            thread.join(TIMEOUT_SECONDS)
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    exchange_running = RunningExchange(ports[0], stop)
    try:
        yield exchange_running
    finally:
        for client in exchange_running.clients:
            client.shutdown()  # type: ignore[no-untyped-call]  # the library has no types here
        stop()


@pytest.fixture
def start_exchange() -> Iterator[Start]:
    with ExitStack() as running:
        yield lambda options: running.enter_context(_running(options))


@pytest.fixture
def exchange(start_exchange: Start) -> RunningExchange:
    """A made-up market of two symbols that begins now and pings often; tests of something else have their own."""
    options = ExchangeOptions(
        synthetic=True, symbols=SYMBOLS, rate=400, history_minutes=0, port=0, ping_interval_seconds=0.2
    )
    return start_exchange(options)


@pytest.fixture
def recordings() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared" / "recordings"
    if not folder.is_dir():
        pytest.skip(f"the recorded exchange data is not here: {folder}")
    return folder


def receive_json(client: websocket.WebSocket, count: int) -> list[Any]:
    """The next `count` data frames; answers to requests are among them."""
    return [json.loads(client.recv()) for _ in range(count)]
