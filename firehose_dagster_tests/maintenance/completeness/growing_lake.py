"""A lake whose silver grows as the stream would have it, and what looks at its completeness say."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.instants import to_microseconds
from firehose_dagster.contracts.position import WATERMARK
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.exchange_holes import ExchangeHole, append_holes
from firehose_dagster.lake.query import run_query
from firehose_dagster.maintenance.completeness.look import Look, look
from firehose_dagster.settings import Settings
from firehose_dagster.verification.completeness_recomputed import completeness_equals_recomputation
from firehose_dagster.verification.pinned_lake import pin

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
NINE, TEN, ELEVEN, TWELVE = (START + timedelta(hours=hours) for hours in range(4))


@dataclass
class GrowingLake:
    """A lake and what the stream would know of it."""

    settings: Settings
    catalog: Catalog
    newest: datetime = START

    def hold(self, *ids_at: tuple[Iterable[int], datetime], symbol: str = "BTCUSDT") -> None:
        """Trades one second apart from a moment on, in one commit."""
        rows = [
            silver_row(agg_id, moment + timedelta(seconds=place), symbol)
            for ids, moment in ids_at
            for place, agg_id in enumerate(ids)
        ]
        self.append(rows)

    def append(self, rows: list[dict[str, Any]]) -> None:
        table = self.catalog.load_table(SILVER.identifier)
        self.newest = max([self.newest, *(row["event_ts"] for row in rows)])
        watermark = to_microseconds(self.newest - timedelta(minutes=self.settings.late_after_minutes))
        table.append(
            pa.Table.from_pylist(rows, schema=table.schema().as_arrow()),
            snapshot_properties={WATERMARK: str(watermark)},
        )

    def look(self) -> Look:
        return look(self.catalog, self.settings)

    def hole(self, first: int, last: int) -> None:
        append_holes(self.catalog, [ExchangeHole("BTCUSDT", first, last, last + 1, datetime.now(UTC))])

    def newest_rows(self, symbol: str = "BTCUSDT") -> list[tuple[Any, ...]]:
        """Hour, figures, ranges, reason and version, as any user would ask for them."""
        table = run_query(
            self.settings,
            "SELECT symbol, hour, expected, present, exchange_holes, missing, missing_ranges, "
            "unsealed_reason, seal_version FROM ops_completeness QUALIFY row_number() OVER "
            "(PARTITION BY symbol, hour ORDER BY checked_at DESC, seal_version DESC) = 1 ORDER BY hour",
        )
        return [tuple(row.values())[1:] for row in table.to_pylist() if row["symbol"] == symbol]

    def rows_written(self) -> int:
        return int(run_query(self.settings, "SELECT count(*)::INT AS n FROM ops_completeness")["n"][0].as_py())


def silver_row(agg_id: int, event_ts: datetime, symbol: str) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "agg_id": agg_id,
        "price": Decimal("1.00000000"),
        "qty": Decimal("1.00000000"),
        "first_trade_id": agg_id,
        "last_trade_id": agg_id,
        "is_buyer_maker": True,
        "event_ts": event_ts,
        "dt_hour": event_ts.replace(minute=0, second=0, microsecond=0),
        "source": "ws",
        "received_at": event_ts,
        "kafka_partition": 0,
        "kafka_offset": agg_id,
    }


def new_lake(settings: Settings) -> GrowingLake:
    """With nothing in it."""
    catalog = open_catalog(settings)
    create_tables(catalog)
    return GrowingLake(settings, catalog)


def silver_of(lake: GrowingLake) -> IcebergTable:
    return lake.catalog.load_table(SILVER.identifier)


def is_as_silver_says(lake: GrowingLake) -> bool:
    """Whether the verification, which reads silver, tells the same."""
    with pin(lake.settings) as pinned:
        return completeness_equals_recomputation(pinned).ok
