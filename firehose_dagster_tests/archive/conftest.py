"""Daily files made by hand, a lake without a stream, and a broker inside the test process."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka import Producer
from pyiceberg.catalog import Catalog

from firehose_dagster.binance.archive import ArchiveDay
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster_tests.gateway.conftest import Broker

DAY = ArchiveDay("ETHUSDT", date(2026, 1, 5))
START_US = 1_767_571_200_000_000
"""2026-01-05T00:00Z."""


def line(agg_id: int, price: str = "1850.10000000", **changes: Any) -> str:
    """One line of the archive; the trade is `agg_id` ms into the day."""
    values: dict[str, Any] = {
        "agg_id": agg_id,
        "price": price,
        "qty": "0.50000000",
        "first": agg_id * 2,
        "last": agg_id * 2 + 1,
        "time": START_US + agg_id * 1_000,
        "maker": True,
        "best": True,
    }
    return ",".join(str(value) for value in (values | changes).values())


SENTINEL: dict[str, Any] = {"price": "0", "qty": "0", "first": -1, "last": -1}


def sentinel(agg_id: int) -> str:
    """A line that marks an id as no trade."""
    return line(agg_id, **SENTINEL)


def zipped(members: dict[str, Iterable[str]]) -> bytes:
    """A zip of CSVs, by name."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, lines in members.items():
            archive.writestr(name, "".join(f"{each}\n" for each in lines))
    return packed.getvalue()


def checksum(content: bytes, name: str) -> str:
    """What stands in a `.CHECKSUM`."""
    return f"{hashlib.sha256(content).hexdigest()}  {name}\n"


def write_zip(folder: Path, content: bytes, day: ArchiveDay = DAY) -> Path:
    """The day's zip with its checksum beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{day.stem}.zip"
    path.write_bytes(content)
    path.with_name(f"{path.name}.CHECKSUM").write_text(checksum(content, path.name))
    return path


def write_day(folder: Path, lines: Iterable[str], day: ArchiveDay = DAY) -> Path:
    """The day's zip of one CSV, with its checksum."""
    return write_zip(folder, zipped({f"{day.stem}.csv": lines}), day)


def silver_row(agg_id: int, price: str = "1850.10000000", **changes: Any) -> dict[str, Any]:
    """The row of silver that says what `line` says."""
    event_ts = datetime.fromtimestamp((START_US + agg_id * 1_000) // 1_000_000, UTC).replace(
        microsecond=agg_id * 1_000 % 1_000_000
    )
    values: dict[str, Any] = {
        "symbol": DAY.symbol,
        "agg_id": agg_id,
        "price": Decimal(price),
        "qty": Decimal("0.50000000"),
        "first_trade_id": agg_id * 2,
        "last_trade_id": agg_id * 2 + 1,
        "is_buyer_maker": True,
        "event_ts": event_ts,
        "source": "ws",
        "received_at": event_ts,
        "kafka_partition": 0,
        "kafka_offset": agg_id,
    } | changes
    return values | {"dt_hour": values["event_ts"].replace(minute=0, second=0, microsecond=0)}


def fill_silver(catalog: Catalog, rows: list[dict[str, Any]]) -> None:
    """Append rows, as if the stream had."""
    table = catalog.load_table(SILVER.identifier)
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))


@pytest.fixture(scope="session")
def mock_cluster() -> Producer:
    return Producer({"test.mock.num.brokers": 1, "log_level": 2})


@pytest.fixture
def broker(mock_cluster: Producer, request: pytest.FixtureRequest) -> Broker:
    return Broker(mock_cluster, request.node.name[:200])


@pytest.fixture
def settings(tmp_path: Path, broker: Broker) -> Settings:
    return Settings(home=tmp_path / "home", kafka_bootstrap=broker.bootstrap_servers, topic=broker.topic)


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    catalog = open_catalog(settings)
    create_tables(catalog)
    return catalog


@pytest.fixture
def publisher(settings: Settings) -> ConfirmedPublisher:
    return ConfirmedPublisher(settings, threading.Event())
