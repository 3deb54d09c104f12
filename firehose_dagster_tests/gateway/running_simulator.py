"""The project's own exchange, in a thread of the test process."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from firehose_dagster.simulator.build import build_source
from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster.simulator.publisher import utc_now_us
from firehose_dagster.simulator.server import exchange


class Simulator:
    """An exchange in a thread of the test process."""

    def __init__(self, port: int) -> None:
        self.ws_url = f"ws://127.0.0.1:{port}"
        self.rest_url = f"http://127.0.0.1:{port}"

    def post(self, path: str, content: bytes = b"") -> None:
        httpx.post(f"{self.rest_url}{path}", content=content, timeout=20).raise_for_status()

    def fault(self, kind: str, **details: Any) -> None:
        """Make something go wrong, see `simulator.fault_kinds`."""
        self.post("/admin/fault", json.dumps({"kind": kind, **details}).encode())

    def status(self) -> dict[str, Any]:
        answer = httpx.get(f"{self.rest_url}/admin/status").json()
        assert isinstance(answer, dict)
        return answer

    def history(self, symbol: str, first: int, last: int) -> dict[int, dict[str, Any]]:
        rows: dict[int, dict[str, Any]] = {}
        while first <= last:
            query: dict[str, str | int] = {"symbol": symbol, "fromId": first, "limit": 1_000}
            headers = {"X-MBX-TIME-UNIT": "MICROSECOND"}
            page = httpx.get(f"{self.rest_url}/api/v3/aggTrades", params=query, headers=headers).json()
            rows.update((row["a"], row) for row in page)
            first = page[-1]["a"] + 1
        return rows


@contextmanager
def running_simulator(options: ExchangeOptions) -> Iterator[Simulator]:
    """The exchange, listening on a free port until the context ends."""
    ports: list[int] = []
    listening, loop, ended = threading.Event(), asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with exchange(options, build_source(options, utc_now_us())) as port:
            ports.append(port)
            listening.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert listening.wait(20)
    try:
        yield Simulator(ports[0])
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
