"""A small consistent lake, written by pyiceberg: two symbols, 40 minutes, two batches, a duplicate, two rejected rows.

ALPHA (partition 0) trades three times a minute, BETA (partition 1) twice. ALPHA's minute 35 is a volume spike,
BETA's minute 37 a price spike. The first batch is in `ops_audit`, the second is told by silver's stamp alone.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import AUDIT, OFFSETS, SILVER_SNAPSHOT, Position
from firehose_dagster.contracts.spike import spike_id
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster.verification.gold_definition import BaseMinute, SpikeRule, derive

Row = dict[str, Any]

TOPIC = "binance.aggtrade"
START = datetime(2026, 1, 1, 9, 40, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
PARTITION = {"ALPHA": 0, "BETA": 1}
MINUTES = 40
SECOND_BATCH_FROM_MINUTE = 20


@dataclass
class SmallLake:
    """The rows of each table, to be spoiled before they are written."""

    bronze: list[Row] = field(default_factory=list)
    silver: list[Row] = field(default_factory=list)
    quarantine: list[Row] = field(default_factory=list)
    gold: list[Row] = field(default_factory=list)
    spikes: list[Row] = field(default_factory=list)
    audit: list[Row] = field(default_factory=list)
    stamped_audit: list[Row] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)

    def position(self) -> Position:
        """Up to where the topic was processed."""
        return Position(topic=TOPIC, offsets=self.ends)


def small_lake() -> SmallLake:
    """The consistent rows."""
    lake = SmallLake()
    offsets = {0: 100, 1: 0}
    batches: list[dict[str, Any]] = []
    for batch, minutes in enumerate(
        (range(SECOND_BATCH_FROM_MINUTE), range(SECOND_BATCH_FROM_MINUTE, MINUTES)),
    ):
        starts = dict(offsets)
        counts = {"rows_in": 0, "rows_out": 0, "dq_fail": 0, "duplicates": 0, "conflicts": 0}
        by_rule: dict[str, int] = {}
        for minute in minutes:
            for trade in _trades(minute):
                _receive(lake, offsets, trade, counts, "silver")
        if batch == 1:
            known = dict(lake.silver[10])
            _receive(
                lake, offsets, known | {"received_at": known["received_at"] + timedelta(hours=1)}, counts, "nothing"
            )
            bad = dict(lake.silver[11]) | {"agg_id": 9_999, "price": Decimal("0E-8")}
            _receive(lake, offsets, bad, counts, "quarantine", reason="price_is_positive")
            conflict = dict(lake.silver[12]) | {"price": Decimal("1.00000000")}
            _receive(lake, offsets, conflict, counts, "quarantine", reason="same_id_has_same_content")
            by_rule = {"price_is_positive": 1, "same_id_has_same_content": 1}
        batches.append(_audit(batch, starts, dict(offsets), counts, by_rule))
    lake.audit, lake.stamped_audit = [batches[0]], [batches[1]]
    lake.ends = offsets
    lake.gold = gold_of(lake.silver)
    lake.spikes = [_spike(row, kind) for row in lake.gold for kind in ("price", "volume") if row[f"is_{kind}_spike"]]
    # As if the first batch had been the one to write gold and spikes.
    lake.audit[0] |= {"gold_minutes": len(lake.gold), "spikes": len(lake.spikes)}
    return lake


def _trades(minute: int) -> list[Row]:
    trades = []
    for symbol, each_minute in (("ALPHA", 3), ("BETA", 2)):
        for number in range(each_minute):
            price = (
                Decimal(100 + (minute + number) % 3) if symbol == "ALPHA" else Decimal("0.50") + Decimal(number) / 1_000
            )
            qty = Decimal(1 + number)
            if symbol == "ALPHA" and minute == 35:
                qty *= 20
            if symbol == "BETA" and minute == 37 and number == 1:
                price += Decimal("0.1")
            event_ts = START + timedelta(minutes=minute, seconds=10 * number, microseconds=123_456)
            agg_id = 1_000 + minute * each_minute + number
            trades.append(
                {
                    "symbol": symbol,
                    "agg_id": agg_id,
                    "price": price.quantize(Decimal("1E-8")),
                    "qty": qty.quantize(Decimal("1E-8")),
                    "first_trade_id": 2 * agg_id,
                    "last_trade_id": 2 * agg_id + 1,
                    "is_buyer_maker": number % 2 == 0,
                    "event_ts": event_ts,
                    "dt_hour": event_ts.replace(minute=0, second=0, microsecond=0),
                    "source": "ws",
                    "received_at": event_ts + timedelta(milliseconds=50),
                }
            )
    return trades


def _receive(
    lake: SmallLake, offsets: dict[int, int], trade: Row, counts: dict[str, int], into: str, reason: str | None = None
) -> None:
    partition = PARTITION[trade["symbol"]]
    trade = trade | {"kafka_partition": partition, "kafka_offset": offsets[partition]}
    offsets[partition] += 1
    counts["rows_in"] += 1
    text = _message(trade)
    raw = None if reason in (None, "same_id_has_same_content") else text
    kafka = {"kafka_topic": TOPIC, "kafka_timestamp": trade["received_at"]}
    lake.bronze.append(
        trade | kafka | {"trade_time": (trade["event_ts"] - EPOCH) // MICROSECOND, "event_time": None, "raw": raw}
    )
    if into == "silver":
        lake.silver.append(trade)
        counts["rows_out"] += 1
    elif into == "quarantine":
        lake.quarantine.append(trade | kafka | {"reasons": [reason], "raw": text, "rejected_at": trade["received_at"]})
        counts["dq_fail"] += 1
        counts["conflicts"] += reason == "same_id_has_same_content"
    else:
        counts["duplicates"] += 1


def _message(trade: Row) -> str:
    times = {"trade_time": trade["event_ts"], "received_at": trade["received_at"]}
    message = {
        **{name: trade[name] for name in ("symbol", "agg_id", "first_trade_id", "last_trade_id", "is_buyer_maker")},
        **{name: f"{trade[name]:f}" for name in ("price", "qty")},
        **{name: (moment - EPOCH) // MICROSECOND for name, moment in times.items()},
        "event_time": None,
        "source": trade["source"],
    }
    return json.dumps(message)


def _audit(
    batch: int, starts: dict[int, int], ends: dict[int, int], counts: dict[str, int], by_rule: dict[str, int]
) -> Row:
    return {
        "run_id": f"trades/{batch}",
        "kind": "micro_batch",
        "query_id": "trades",
        "batch_id": batch,
        "started_at": START,
        "finished_at": START,
        **counts,
        "dq_pass": counts["rows_in"] - counts["dq_fail"],
        "dq_fail_by_rule": by_rule,
        "late_rows": 0,
        "gold_minutes": 0,
        "spikes": 0,
        "offsets_start": Position(topic=TOPIC, offsets=starts).to_json(),
        "offsets_end": Position(topic=TOPIC, offsets=ends).to_json(),
    }


def gold_of(silver: list[Row]) -> list[Row]:
    """Gold rows by the oracle's own definition, which is tested by hand in `test_gold_definition.py`."""
    minutes: dict[tuple[str, int], list[Row]] = defaultdict(list)
    for row in silver:
        minutes[row["symbol"], (row["event_ts"] - EPOCH) // timedelta(minutes=1)].append(row)
    base = []
    for (symbol, minute), unsorted in sorted(minutes.items()):
        rows = sorted(unsorted, key=lambda row: row["agg_id"])
        prices = [int(row["price"] * 10**8) for row in rows]
        quantities = [int(row["qty"] * 10**8) for row in rows]
        base.append(
            BaseMinute(
                symbol=symbol,
                minute=minute,
                open=prices[0],
                high=max(prices),
                low=min(prices),
                close=prices[-1],
                volume=sum(quantities),
                quote_volume=sum(price * qty for price, qty in zip(prices, quantities, strict=True)),
                trades=len(rows),
                first_agg_id=rows[0]["agg_id"],
                last_agg_id=rows[-1]["agg_id"],
            )
        )
    rule = SpikeRule(30, 10, Fraction(5), Fraction(4), Fraction("0.003"))
    watermark = max(row["event_ts"] for row in silver) - timedelta(minutes=10)
    gold = []
    for trades_of, derived in derive(base, rule, (watermark - EPOCH) // MICROSECOND):
        row = {name: getattr(trades_of, name) for name in BaseMinute.__slots__}
        row |= {name: getattr(derived, name) for name in type(derived).__slots__}
        for column in GOLD.columns:
            if str(schema_type(column.name)).startswith("decimal") and row[column.name] is not None:
                places = 16 if column.name == "quote_volume" else 8
                row[column.name] = Decimal(row[column.name]).scaleb(-places)
        row["minute"] = EPOCH + timedelta(minutes=trades_of.minute)
        gold.append(row | {"revision": 0, "updated_at": START})
    return gold


def schema_type(column: str) -> object:
    """The contract's type of a gold column, as text begins with its kind."""
    type_ = next(each.type for each in GOLD.columns if each.name == column)
    return "decimal" if hasattr(type_, "precision") else type_


def _spike(row: Row, kind: str) -> Row:
    return {
        "spike_id": spike_id(row["symbol"], row["minute"], kind),  # type: ignore[arg-type]  # a kind by construction
        "symbol": row["symbol"],
        "minute": row["minute"],
        "kind": kind,
        "score": row[f"{kind}_spike_score"],
        "price": row["close"],
        "vwap": row["vwap"],
        "volume": row["volume"],
        "return_1m": row["return_1m"],
        "is_complete": row["is_complete"],
        "received_at": START,
        "detected_at": START,
    }


def write(settings: Settings, lake: SmallLake) -> None:
    """Write all tables in the stream's order, stamped as the stream stamps them."""
    catalog = open_catalog(settings)
    create_tables(catalog)
    offsets = {OFFSETS: lake.position().to_json()}
    append(settings, BRONZE, lake.bronze, offsets)
    append(settings, QUARANTINE, lake.quarantine, offsets)
    stamps = {AUDIT: json.dumps(lake.stamped_audit[0], default=datetime.isoformat)} if lake.stamped_audit else {}
    silver_id = append(settings, SILVER, lake.silver, offsets | stamps)
    write_gold(settings, lake.gold, silver_id)
    named = {"silver_snapshot_id": silver_id}
    append(settings, SPIKES, [named | row for row in lake.spikes], {})
    append(settings, OPS_AUDIT, [named | row if row["gold_minutes"] else row for row in lake.audit], {})


def write_gold(settings: Settings, rows: list[Row], silver_id: int) -> None:
    """Gold as the function of one silver snapshot, in place of what is there."""
    table = open_catalog(settings).load_table(GOLD.identifier)
    stamped = [{"silver_snapshot_id": silver_id, **row} for row in rows]
    commit = table.append if table.current_snapshot() is None else table.overwrite
    commit(_arrow(table.schema().as_arrow(), stamped), snapshot_properties={SILVER_SNAPSHOT: str(silver_id)})


def append(settings: Settings, table: Table, rows: list[Row], stamps: dict[str, str]) -> int:
    """Append rows in one commit; its snapshot id."""
    held = open_catalog(settings).load_table(table.identifier)
    held.append(_arrow(held.schema().as_arrow(), rows), snapshot_properties=stamps)
    snapshot = held.current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id


def _arrow(schema: Any, rows: list[Row]) -> Any:
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
