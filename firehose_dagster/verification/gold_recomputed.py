"""Is gold what its definition makes of silver, row by row and column by column?"""

from collections.abc import Iterator
from dataclasses import fields
from decimal import Context, Decimal
from fractions import Fraction
from itertools import islice
from typing import Any

import pyarrow as pa

from firehose_dagster.contracts.trade_tables import GOLD, GOLD_PROVENANCE_COLUMNS
from firehose_dagster.lake.iceberg_schema import schema
from firehose_dagster.settings import Settings
from firehose_dagster.verification.exchange_holes import absent_ids, overlap
from firehose_dagster.verification.gold_definition import (
    MINUTE_US,
    BaseMinute,
    DerivedFeatures,
    SpikeRule,
    derive,
)
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check

_CONTENT_COLUMNS = tuple(name for name in GOLD.column_names if name not in GOLD_PROVENANCE_COLUMNS)
_ROWS_AT_ONCE = 10_000
_EXACT = Context(prec=60)
_BEING_MADE_ANEW = (
    "gold was emptied to be made anew and is not complete yet: let the rebuild or the stream go on, verify again then",
)
_PLACES = {
    "open": 8,
    "high": 8,
    "low": 8,
    "close": 8,
    "vwap": 8,
    "volume": 8,
    "quote_volume": 16,
    "volume_5m": 8,
    "price_ma_30m": 8,
    "return_1m": 8,
    "price_spike_score": 8,
    "volume_spike_score": 8,
}


def gold_equals_recomputation(lake: PinnedLake, settings: Settings) -> Check:
    """Gold has exactly the minutes in which silver has trades, each with the figures that the definition gives.

    Silver and the exchange holes are read at the snapshots gold says it was computed from. Revision, snapshot id and
    write time are no content.
    """
    _make_expected(lake, settings)
    keys = ("symbol", "minute")
    values = [name for name in _CONTENT_COLUMNS if name not in keys]
    told = ", ".join(
        f"CASE WHEN g.{name} IS DISTINCT FROM e.{name} THEN '{name} ' || coalesce(g.{name}::VARCHAR, 'null') "
        f"|| ', should be ' || coalesce(e.{name}::VARCHAR, 'null') END"
        for name in values
    )
    lake.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE gold_wrong AS
        SELECT coalesce(g.symbol, e.symbol) AS symbol, coalesce(g.minute, e.minute) AS minute,
            g.symbol IS NULL AS missing, e.symbol IS NULL AS extra,
            list_filter([{told}], lambda difference: difference IS NOT NULL) AS differences
        FROM gold g FULL OUTER JOIN expected_gold e ON g.symbol = e.symbol AND g.minute = e.minute
        WHERE g.symbol IS NULL OR e.symbol IS NULL
            OR {" OR ".join(f"g.{name} IS DISTINCT FROM e.{name}" for name in values)}
        UNION ALL
        SELECT symbol, minute, false, false, ['there are ' || count(*) || ' rows of it']
        FROM gold GROUP BY 1, 2 HAVING count(*) > 1
        """  # noqa: S608 columns of the contract
    )
    breaches = lake.whole_number("SELECT count(*) FROM gold_wrong")
    found = lake.connection.execute(
        "SELECT symbol, strftime(minute, '%Y-%m-%dT%H:%MZ'), missing, extra, differences FROM gold_wrong "
        "ORDER BY 1, 2 LIMIT ?",
        [EXAMPLES_SHOWN],
    ).fetchall()
    return Check(
        name="gold_equals_recomputation",
        table=GOLD.name,
        figures={
            "minutes": lake.whole_number("SELECT count(*) FROM expected_gold"),
            "complete": lake.whole_number("SELECT count(*) FROM expected_gold WHERE is_complete"),
            "missing": lake.whole_number("SELECT count(*) FROM gold_wrong WHERE missing"),
            "extra": lake.whole_number("SELECT count(*) FROM gold_wrong WHERE extra"),
            "differing": lake.whole_number("SELECT count(*) FROM gold_wrong WHERE NOT missing AND NOT extra"),
        },
        breaches=breaches,
        examples=(_BEING_MADE_ANEW if breaches and lake.gold_is_being_made_anew else ())
        + tuple(
            f"{symbol} {minute}: "
            + (
                "the row is missing, silver has trades in the minute"
                if missing
                else "there is a row, but silver has no trade in the minute"
                if extra
                else "; ".join(differences)
            )
            for symbol, minute, missing, extra, differences in found
        ),
    )


def _make_expected(lake: PinnedLake, settings: Settings) -> None:
    """The temporary table `expected_gold`, typed as gold is."""
    watermark_us = (
        lake.whole_number("SELECT epoch_us(max(event_ts)) FROM silver_of_gold")
        - settings.late_after_minutes * MINUTE_US
    )
    rule = SpikeRule(
        history_minutes=settings.spike_history_minutes,
        min_history=settings.spike_min_history,
        volume_ratio=Fraction(settings.volume_spike_ratio),
        price_ratio=Fraction(settings.price_spike_ratio),
        price_min_move=Fraction(settings.price_spike_min_move),
    )
    lake.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE expected_gold AS SELECT {', '.join(_CONTENT_COLUMNS)} FROM gold LIMIT 0"  # noqa: S608 columns of the contract
    )
    absent = absent_ids(lake, "holes_of_gold", "silver_of_gold")
    rows = derive(
        _base_minutes(lake),
        rule,
        watermark_us,
        lambda symbol, first, last: overlap(absent.get(symbol, ()), first, last),
    )
    arrow_schema = pa.schema([schema(GOLD).as_arrow().field(name).with_nullable(True) for name in _CONTENT_COLUMNS])
    while chunk := [_row(base, derived) for base, derived in islice(rows, _ROWS_AT_ONCE)]:
        lake.connection.register("expected_chunk", pa.Table.from_pylist(chunk, schema=arrow_schema))
        lake.connection.execute("INSERT INTO expected_gold SELECT * FROM expected_chunk")
        lake.connection.unregister("expected_chunk")


def _base_minutes(lake: PinnedLake) -> Iterator[BaseMinute]:
    """By symbol and minute. Sums are exact: DuckDB adds decimals as 128-bit whole numbers and refuses an overflow."""
    base = lake.connection.sql(
        f"""
        SELECT symbol, epoch_us(event_ts) // {MINUTE_US} AS minute,
            arg_min(price, agg_id) AS open, max(price) AS high, min(price) AS low, arg_max(price, agg_id) AS close,
            sum(qty) AS volume, sum(price * qty) AS quote_volume,
            count(*) AS trades, min(agg_id) AS first_agg_id, max(agg_id) AS last_agg_id
        FROM silver_of_gold GROUP BY 1, 2 ORDER BY 1, 2
        """  # noqa: S608 a constant
    ).to_arrow_table()
    for batch in base.to_batches(_ROWS_AT_ONCE):
        for row in batch.to_pylist():
            whole: dict[str, Any] = {
                name: _units(value, _PLACES[name]) if name in _PLACES else value for name, value in row.items()
            }
            yield BaseMinute(**whole)


def _units(value: Decimal, places: int) -> int:
    return int(value.scaleb(places, _EXACT))


def _row(base: BaseMinute, derived: DerivedFeatures) -> dict[str, object]:
    row: dict[str, object] = {}
    for part in (base, derived):
        for field in fields(part):
            value = getattr(part, field.name)
            if field.name in _PLACES and value is not None:
                value = Decimal(value).scaleb(-_PLACES[field.name], _EXACT)
            row[field.name] = value
    row["minute"] = base.minute * MINUTE_US
    return row
