"""Which stage makes which data from which, column by column. Pure, and cheap to import: no OpenLineage here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from firehose_dagster.contracts.message import MESSAGE_FIELDS
from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES

EXCHANGE = "exchange"
TOPIC = "topic"
"""The two datasets that are no tables; a table goes by its name."""

Transformation = Literal["IDENTITY", "TRANSFORMATION", "AGGREGATION"]


class BatchFigures(Protocol):
    """What a micro-batch tells of itself: the fields of `ops_audit` that lineage reads."""

    @property
    def rows_in(self) -> int: ...
    @property
    def rows_out(self) -> int: ...
    @property
    def dq_pass(self) -> int: ...
    @property
    def dq_fail(self) -> int: ...
    @property
    def gold_minutes(self) -> int: ...
    @property
    def spikes(self) -> int: ...
    @property
    def bronze_snapshot_id(self) -> int | None: ...
    @property
    def silver_snapshot_id(self) -> int | None: ...
    @property
    def gold_snapshot_id(self) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Origin:
    """Columns of an input from which a column is made."""

    dataset: str
    columns: Sequence[str]
    how: Transformation


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the micro-batch, shown as a job of its own: one job for all would join the topic to every table."""

    output: Table
    inputs: Sequence[str]
    columns: Mapping[str, Origin]
    """By column of the output; one that is not made from an input (a time of writing, say) is left out."""

    def rows_read(self, batch: BatchFigures) -> int:
        """Of its first input, in this batch."""
        return {
            BRONZE.name: batch.rows_in,
            SILVER.name: batch.dq_pass,
            QUARANTINE.name: batch.dq_fail,
            GOLD.name: batch.rows_out,
            SPIKES.name: batch.gold_minutes,
            OPS_AUDIT.name: batch.rows_in,
        }[self.output.name]

    def rows_written(self, batch: BatchFigures) -> int:
        """To its output, in this batch."""
        return {
            BRONZE.name: batch.rows_in,
            SILVER.name: batch.rows_out,
            QUARANTINE.name: batch.dq_fail,
            GOLD.name: batch.gold_minutes,
            SPIKES.name: batch.spikes,
        }.get(self.output.name, 1)


def snapshot_ids(batch: BatchFigures) -> Mapping[str, int | None]:
    """The version of each table after the batch, where the batch tells it."""
    return {
        BRONZE.name: batch.bronze_snapshot_id,
        SILVER.name: batch.silver_snapshot_id,
        GOLD.name: batch.gold_snapshot_id,
    }


def _same(dataset: str, output: Table, columns: Sequence[str]) -> dict[str, Origin]:
    names = [name for name in output.column_names if name in columns]
    return {name: Origin(dataset, (name,), "IDENTITY") for name in names}


_SILVER_KEY = _same(SILVER.name, GOLD, ("symbol",))
_FROM_PRICES = ("price", "agg_id", "event_ts")
_GOLD_FROM_SILVER: Mapping[str, Sequence[str]] = {
    "minute": ("event_ts",),
    "open": _FROM_PRICES,
    "high": ("price", "event_ts"),
    "low": ("price", "event_ts"),
    "close": _FROM_PRICES,
    "vwap": ("price", "qty", "event_ts"),
    "volume": ("qty", "event_ts"),
    "quote_volume": ("price", "qty", "event_ts"),
    "trades": ("agg_id", "event_ts"),
    "volume_5m": ("qty", "event_ts"),
    "price_ma_30m": _FROM_PRICES,
    "return_1m": _FROM_PRICES,
    "is_price_spike": _FROM_PRICES,
    "is_volume_spike": ("qty", "event_ts"),
    "price_spike_score": _FROM_PRICES,
    "volume_spike_score": ("qty", "event_ts"),
    "first_agg_id": ("agg_id", "event_ts"),
    "last_agg_id": ("agg_id", "event_ts"),
    "is_complete": ("agg_id", "event_ts"),
    "is_final": ("event_ts",),
}

STAGES: tuple[Stage, ...] = (
    Stage(
        BRONZE,
        (TOPIC,),
        {
            **_same(TOPIC, BRONZE, MESSAGE_FIELDS),
            "event_ts": Origin(TOPIC, ("trade_time",), "TRANSFORMATION"),
            "dt_hour": Origin(TOPIC, ("trade_time",), "TRANSFORMATION"),
        },
    ),
    Stage(SILVER, (BRONZE.name,), _same(BRONZE.name, SILVER, BRONZE.column_names)),
    Stage(QUARANTINE, (BRONZE.name,), _same(BRONZE.name, QUARANTINE, BRONZE.column_names)),
    Stage(
        GOLD,
        (SILVER.name,),
        {
            **_SILVER_KEY,
            **{name: Origin(SILVER.name, columns, "AGGREGATION") for name, columns in _GOLD_FROM_SILVER.items()},
        },
    ),
    Stage(
        SPIKES,
        (GOLD.name,),
        {
            **_same(GOLD.name, SPIKES, ("symbol", "minute", "vwap", "volume", "return_1m", "is_complete")),
            "price": Origin(GOLD.name, ("close",), "IDENTITY"),
            "kind": Origin(GOLD.name, ("is_price_spike", "is_volume_spike"), "TRANSFORMATION"),
            "score": Origin(GOLD.name, ("price_spike_score", "volume_spike_score"), "TRANSFORMATION"),
            "spike_id": Origin(GOLD.name, ("symbol", "minute", "is_price_spike", "is_volume_spike"), "TRANSFORMATION"),
        },
    ),
    Stage(OPS_AUDIT, (BRONZE.name, SILVER.name, QUARANTINE.name, GOLD.name), {}),
)
