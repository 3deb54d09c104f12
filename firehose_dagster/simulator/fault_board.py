"""Makes faults happen: one place for the admin paths and for scripts."""

import asyncio

import msgspec

from firehose_dagster.simulator.client import Client
from firehose_dagster.simulator.fault_kinds import (
    Abort,
    AgeLimit,
    AnyFault,
    Close,
    Delay,
    Duplicate,
    Freeze,
    Hole,
    Malformed,
    Mute,
    Oversized,
    Reorder,
    RestFault,
    ServerShutdown,
    Skip,
)
from firehose_dagster.simulator.holed_source import HoledSource
from firehose_dagster.simulator.malformed_frames import malformed_frames
from firehose_dagster.simulator.publisher import Publisher, utc_now_us
from firehose_dagster.simulator.rest_faults import RestFaults
from firehose_dagster.simulator.stream_faults import StreamFaults

Outcome = dict[str, object]
"""What a fault did at once, as JSON: the connections it hit, or the ids it took away."""


class UnknownSymbolError(ValueError):
    """A fault names a symbol that does not trade here."""


class FaultBoard:
    """Runs in the exchange's event loop."""

    def __init__(self, source: HoledSource, publisher: Publisher, stream: StreamFaults, rest: RestFaults) -> None:
        self._source = source
        self._publisher = publisher
        self._stream = stream
        self._rest = rest
        self._tasks: set[asyncio.Task[None]] = set()

    def require_known(self, fault: AnyFault) -> None:
        """Raises `UnknownSymbolError`."""
        unknown = [symbol for symbol in fault.symbols if symbol not in self._source.symbols]
        if unknown:
            raise UnknownSymbolError(f"does not trade here: {', '.join(unknown)}")

    async def apply(self, fault: AnyFault) -> Outcome:
        """Have it happen from now on. Raises `UnknownSymbolError`."""
        self.require_known(fault)
        if isinstance(fault, RestFault):
            self._rest.set(fault)
            return {}
        if isinstance(fault, Mute | Skip | Duplicate | Reorder | Delay):
            self._stream.set(fault, fault.symbols or self._source.symbols, utc_now_us())
            self._publisher.wake()
            return {}
        if isinstance(fault, Hole):
            return {"holes": await self._make_holes(fault)}
        clients = self._publisher.clients_of(fault.symbols)
        await self._hit(fault, clients)
        return {"connections": len(clients)}

    def calm(self, symbols: tuple[str, ...]) -> None:
        """Disarm every fault of trades and of REST that is still to come, of these symbols or of all."""
        self._stream.calm(symbols or self._source.symbols)
        self._rest.calm(symbols or self._source.symbols)

    def status(self) -> dict[str, object]:
        """For the admin endpoint: what is still to come."""
        return {**self._stream.status(utc_now_us()), "rest": self._rest.status()}

    async def close(self) -> None:
        """End what is still to happen to connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _hit(
        self,
        fault: Close | Abort | Freeze | Malformed | Oversized | ServerShutdown | AgeLimit,
        clients: tuple[Client, ...],
    ) -> None:
        match fault:
            case Close():
                await asyncio.gather(*(client.close(fault.code) for client in clients))
            case Abort():
                for client in clients:
                    client.abort()
            case Freeze():
                for client in clients:
                    client.freeze(fault.seconds)
            case AgeLimit():
                for client in clients:
                    client.retire_at_age(fault.seconds, b"the age limit was lowered")
            case Malformed():
                for frame in malformed_frames(fault.count):
                    for client in clients:
                        client.send_bytes(frame)
            case Oversized():
                for client in clients:
                    client.send_bytes(b"x" * fault.size_bytes)
            case ServerShutdown():
                for client in clients:
                    client.send_raw(_shutdown_text(fault, client))
                closing = asyncio.create_task(_close_after(fault.grace_seconds, clients))
                self._tasks.add(closing)
                closing.add_done_callback(self._tasks.discard)

    async def _make_holes(self, fault: Hole) -> dict[str, tuple[int, int] | None]:
        made: dict[str, tuple[int, int] | None] = {}
        for symbol in fault.symbols or self._source.symbols:
            # Finding the highest id due may take a synthetic minute to be made.
            made[symbol] = await asyncio.to_thread(self._source.make_hole, symbol, fault.count, utc_now_us())
        return made


async def _close_after(seconds: float, clients: tuple[Client, ...]) -> None:
    await asyncio.sleep(seconds)
    await asyncio.gather(*(client.close(1001, b"server shutdown") for client in clients if not client.closed))


def _shutdown_text(fault: ServerShutdown, client: Client) -> str:
    now_us = utc_now_us()
    data = {"e": "serverShutdown", "E": now_us if client.kind.microseconds else now_us // 1_000}
    combined = client.kind.combined if fault.form == "own" else fault.form == "combined"
    return msgspec.json.encode({"stream": "!serverShutdown", "data": data} if combined else data).decode()
