"""Looks up in silver the rows that a batch's suspects must be compared with.

Gold says in which minutes a symbol's ids lie, so only those minutes of silver are read, wherever the suspect's own
trade time points to.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from firehose_dagster.binance.gaps import HeldIds, IdRange
from firehose_dagster.contracts.rules import CONTENT_COLUMNS
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.streams.classification import Coordinates, Suspect, TradeContent, TradeKey
from firehose_dagster.streams.event_spans import during
from firehose_dagster.streams.gold_table import GoldTable
from firehose_dagster.transforms.parse import is_valid

_CONTENT = ("symbol", "agg_id", *CONTENT_COLUMNS)


def suspects(parsed: DataFrame, ids: Mapping[str, frozenset[int]]) -> list[Suspect]:
    """The batch's valid rows of these ids."""
    rows = _of_these(parsed.where(is_valid()), ids).select(*_CONTENT, _event_us(), "kafka_partition", "kafka_offset")
    return [
        Suspect(Coordinates(record["kafka_partition"], record["kafka_offset"]), *_keyed(record))
        for record in rows.toArrow().to_pylist()
    ]


def held_content(
    spark: SparkSession, gold: GoldTable, ids: Mapping[str, frozenset[int]]
) -> dict[TradeKey, TradeContent]:
    """The content of those of the ids that silver holds. Needs gold to be up to date with silver."""
    minutes = gold.minutes_holding({symbol: _set_of(wanted) for symbol, wanted in ids.items()})
    if not minutes:
        return {}
    rows = _of_these(spark.table(SILVER.spark_identifier).where(during(minutes)), ids)
    return dict(_keyed(record) for record in rows.select(*_CONTENT, _event_us()).toArrow().to_pylist())


def held_between(spark: SparkSession, gold: GoldTable, symbol: str, ids: IdRange, minute: int) -> list[int]:
    """Which of the ids silver holds: in the minutes that gold says, or in the one given."""
    wanted = HeldIds()
    wanted.add_range(ids.first, ids.last)
    minutes = {minute, *gold.minutes_holding({symbol: wanted})}
    rows = spark.table(SILVER.spark_identifier).where(during(minutes))
    rows = rows.where(_within({symbol: (ids.first, ids.last)})).select("agg_id")
    return [record["agg_id"] for record in rows.toArrow().to_pylist()]


def _set_of(ids: Iterable[int]) -> HeldIds:
    wanted = HeldIds()
    for agg_id in sorted(ids):
        wanted.add(agg_id)
    return wanted


def _of_these(rows: DataFrame, ids: Mapping[str, frozenset[int]]) -> DataFrame:
    """The rows of these ids. What lies between them is left out in Spark: of ids that are days apart it is millions."""
    symbols = [symbol for symbol, of_symbol in ids.items() for _ in of_symbol]
    agg_ids = [agg_id for of_symbol in ids.values() for agg_id in of_symbol]
    wanted_rows = rows.sparkSession.createDataFrame(
        pa.table({"symbol": pa.array(symbols, pa.string()), "agg_id": pa.array(agg_ids, pa.int64())})
    )
    # The bounds let files and row groups be skipped, which a join does not.
    near = rows.where(_within({symbol: (min(of_symbol), max(of_symbol)) for symbol, of_symbol in ids.items()}))
    return near.join(f.broadcast(wanted_rows), ["symbol", "agg_id"], "left_semi")


def _keyed(record: Mapping[str, Any]) -> tuple[TradeKey, TradeContent]:
    return (
        TradeKey(record["symbol"], record["agg_id"]),
        TradeContent(
            price=record["price"],
            qty=record["qty"],
            first_trade_id=record["first_trade_id"],
            last_trade_id=record["last_trade_id"],
            is_buyer_maker=record["is_buyer_maker"],
            trade_time_ms=record["event_us"] // 1_000,
        ),
    )


def _event_us() -> Column:
    return f.unix_micros("event_ts").alias("event_us")


def _within(bounds: Mapping[str, tuple[int, int]]) -> Column:
    return _any_of(
        [(f.col("symbol") == symbol) & f.col("agg_id").between(low, high) for symbol, (low, high) in bounds.items()]
    )


def _any_of(conditions: Sequence[Column]) -> Column:
    """A tree as low as it can be: Spark visits it by recursion, and there may be a condition a symbol."""
    if len(conditions) == 1:
        return conditions[0]
    middle = len(conditions) // 2
    return _any_of(conditions[:middle]) | _any_of(conditions[middle:])
