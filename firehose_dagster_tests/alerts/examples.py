"""A spike, a lake that holds spikes, and a receiver on a free port, for the tests of alerts."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
from aiohttp import web
from pydantic import HttpUrl, SecretStr
from pyiceberg.io.pyarrow import schema_to_pyarrow

from firehose_dagster.alerts.message import Spike
from firehose_dagster.alerts.receiver import Receiver
from firehose_dagster.contracts.spike import SpikeKind, spike_id
from firehose_dagster.contracts.trade_tables import SPIKES
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.iceberg_schema import schema
from firehose_dagster.local.ports import free_ports
from firehose_dagster.settings import Settings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
OTHER_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhro="
MINUTE = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)

SPIKE = Spike(
    spike_id=spike_id("BTCUSDT", MINUTE, "volume"),
    symbol="BTCUSDT",
    minute=MINUTE,
    kind="volume",
    score=Decimal("7.20000000"),
    price=Decimal("87648.21000000"),
    vwap=Decimal("87640.00000001"),
    volume=Decimal("120.00000000"),
    return_1m=Decimal("0E-8"),
    is_complete=True,
    received_at=datetime(2026, 1, 1, 0, 5, 30, 123456, tzinfo=UTC),
    detected_at=datetime(2026, 1, 1, 0, 5, 32, tzinfo=UTC),
)


def spike_of(symbol: str, minute: datetime, kind: SpikeKind = "volume", detected_at: datetime | None = None) -> Spike:
    return replace(
        SPIKE,
        spike_id=spike_id(symbol, minute, kind),
        symbol=symbol,
        minute=minute,
        kind=kind,
        received_at=minute,
        detected_at=detected_at or datetime.now(UTC),
    )


def this_minute(ago: int = 0) -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=ago)


def made_lake(home: Path, port: int, secret: str = SECRET) -> Settings:
    settings = Settings(
        home=home, webhook_secret=SecretStr(secret), webhook_url=HttpUrl(f"http://127.0.0.1:{port}/webhook")
    )
    create_tables(open_catalog(settings))
    return settings


def append_spikes(settings: Settings, spikes: Sequence[Spike]) -> None:
    rows = [
        {name: getattr(spike, name, 1) for name in SPIKES.column_names}  # 1: silver_snapshot_id, which no alert tells
        for spike in spikes
    ]
    table = open_catalog(settings).load_table(SPIKES.identifier)
    table.append(pa.Table.from_pylist(rows, schema=schema_to_pyarrow(schema(SPIKES))))


def free_port() -> int:
    (port,) = free_ports(1)
    return port


@contextmanager
def serving(app: web.Application, port: int) -> Iterator[None]:
    """`app` on 127.0.0.1:`port`, in a thread of its own, until the block ends."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def receiving(port: int, secret: str = SECRET) -> Iterator[tuple[Receiver, list[str]]]:
    """The demo's receiver, and the lines it prints."""
    lines: list[str] = []
    receiver = Receiver(secret, lines.append)
    with serving(receiver.app(), port):
        yield receiver, lines
