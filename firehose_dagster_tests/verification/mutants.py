"""Kinds of damage to a lake. What is hit follows from a number, and so does what must be told of it."""

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import Position
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES
from firehose_dagster_tests.verification.file_mutants import FILE_MUTANTS
from firehose_dagster_tests.verification.mutant import Draw, Finding, Mutate
from firehose_dagster_tests.verification.small_lake import Row
from firehose_dagster_tests.verification.stored_lake import StoredLake, StoredRow
from firehose_dagster_tests.verification.told_mutants import TOLD_MUTANTS, batches

UNIT = Decimal("0.00000001")
MICROSECOND = timedelta(microseconds=1)


def row_dropped(lake: StoredLake, draw: Draw) -> Finding:
    table = draw.in_turn((BRONZE, SILVER, QUARANTINE, GOLD))
    hit = draw.choice(lake.rows(table))
    lake.replace(hit)
    row = hit.row
    if table is GOLD:
        return Finding("gold_equals_recomputation", f"{_minute(row)}: the row is missing, silver has trades")
    record = _record(row)
    if table is not BRONZE:
        return Finding("rest_is_duplicates", f"{record} ({_trade(row)}) is in bronze, but neither in silver nor")
    if _coordinates(row) in {_coordinates(held.row) for held in lake.rows(SILVER)}:
        return Finding("silver_equals_bronze", f"{_trade(row)} ({record}) has no record in bronze")
    lacks = f"partition {row['kafka_partition']} lacks the offsets {row['kafka_offset']} to {row['kafka_offset']}"
    return Finding("bronze_offsets_are_contiguous", lacks)


def row_doubled(lake: StoredLake, draw: Draw) -> Finding:
    told: tuple[tuple[Table, Callable[[Row], Finding]], ...] = (
        (BRONZE, lambda row: Finding("bronze_offsets_are_contiguous", f"{_record(row)} is there 2 times")),
        (SILVER, lambda row: Finding("silver_has_no_duplicates", f"{_trade(row)} is there 2 times")),
        (QUARANTINE, lambda row: Finding("quarantine_is_explained", f"{_record(row)} is there more than once")),
        (GOLD, lambda row: Finding("gold_equals_recomputation", f"{_minute(row)}: there are 2 rows of it")),
        (SPIKES, lambda row: Finding("spikes_have_their_events", f"{row['spike_id']} is there more than once")),
        (OPS_AUDIT, lambda row: Finding("audit_adds_up", f"{row['run_id']} is recorded 2 times")),
    )
    table, finding = draw.in_turn(told)
    hit = draw.choice(batches(lake) if table is OPS_AUDIT else lake.rows(table))
    lake.replace(hit, hit.row, hit.row)
    return finding(hit.row)


def row_altered_by_one_unit(lake: StoredLake, draw: Draw) -> Finding:
    in_silver = {_coordinates(held.row) for held in lake.rows(SILVER)}
    table = draw.in_turn((BRONZE, SILVER))
    hit = draw.choice([held for held in lake.rows(table) if _coordinates(held.row) in in_silver])
    column = draw.in_turn(
        ("agg_id", "price", "qty", "first_trade_id", "last_trade_id", "is_buyer_maker", "event_ts", "received_at")
    )
    altered = hit.row | {column: _one_unit_more(hit.row[column])}
    lake.replace(hit, altered)
    trade = _trade(altered if table is SILVER else hit.row)
    return Finding("silver_equals_bronze", f"{trade} ({_record(hit.row)}) differs: {column} ")


def batch_reordered(lake: StoredLake, draw: Draw) -> Finding:
    """The records of one batch of a partition in reverse: each offset now names another trade."""
    in_silver = {_coordinates(held.row) for held in lake.rows(SILVER)}
    table = draw.in_turn((BRONZE, SILVER))
    by_place: dict[tuple[Path, int], list[Row]] = defaultdict(list)
    for held in lake.rows(table):
        if _coordinates(held.row) in in_silver:
            by_place[held.file, held.row["kafka_partition"]].append(held.row)
    (file, partition), some = draw.choice([place for place in by_place.items() if len(place[1]) > 2])
    first = draw.randrange(len(some) - 2)
    batch = some[first : draw.randint(first + 2, len(some))]
    swapped = {_coordinates(row): mirrored["kafka_offset"] for row, mirrored in zip(batch, batch[::-1], strict=True)}
    lake.alter(
        file, lambda rows: [row | {"kafka_offset": swapped.get(_coordinates(row), row["kafka_offset"])} for row in rows]
    )
    first_told, last = batch[0], batch[-1]
    offset = last["kafka_offset"] if table is SILVER else first_told["kafka_offset"]
    return Finding(
        "silver_equals_bronze", f"{_trade(first_told)} (partition {partition} offset {offset}) differs: agg_id "
    )


def gold_row_stale(lake: StoredLake, draw: Draw) -> Finding:
    """The row as it was before the minute's last trade."""
    hit = draw.choice([held for held in lake.rows(GOLD) if held.row["trades"] > 1])
    row = hit.row
    *earlier, last = sorted(
        (
            held.row
            for held in lake.rows(SILVER)
            if held.row["symbol"] == row["symbol"]
            and held.row["event_ts"].replace(second=0, microsecond=0) == row["minute"]
        ),
        key=lambda trade: trade["agg_id"],
    )
    stale = row | {
        "close": earlier[-1]["price"],
        "volume": row["volume"] - last["qty"],
        "quote_volume": row["quote_volume"] - last["qty"] * last["price"],
        "trades": row["trades"] - 1,
        "last_agg_id": earlier[-1]["agg_id"],
    }
    lake.replace(hit, stale)
    return Finding("gold_equals_recomputation", f"; trades {stale['trades']}, should be {row['trades']}; last_agg_id ")


def spike_missing(lake: StoredLake, draw: Draw) -> Finding:
    hit = draw.choice(lake.rows(SPIKES))
    lake.replace(hit)
    row = hit.row
    told = f"{_minute(row)} {row['kind']}: gold flags it, but it has no event {row['spike_id']}"
    return Finding("spikes_have_their_events", told)


def audit_row_off_by_one(lake: StoredLake, draw: Draw) -> Finding:
    # The last one would no longer be covered by the position.
    hit: StoredRow = draw.choice(batches(lake)[:-1] or batches(lake))
    column = draw.in_turn(
        (
            "rows_in",
            "rows_out",
            "dq_pass",
            "dq_fail",
            "duplicates",
            "conflicts",
            "late_rows",
            "offsets_start",
            "offsets_end",
        )
    )
    step = draw.choice((-1, 1))
    held = hit.row[column]
    if isinstance(held, str):
        position = Position.from_json(held)
        value: object = position.advanced({0: position.offsets[0] + 1}).to_json()
    else:
        value = held + step
    lake.replace(hit, hit.row | {column: value})
    if column == "conflicts":
        return Finding("audit_adds_up", f"the sum of conflicts is {1 + step}, but quarantine holds 1")
    return Finding("audit_adds_up", f"{hit.row['run_id']}: ")


MUTANTS: dict[str, Mutate] = {
    "a row is dropped": row_dropped,
    "a row is doubled": row_doubled,
    "a row is altered by one unit": row_altered_by_one_unit,
    "a batch is reordered": batch_reordered,
    "a gold row is stale": gold_row_stale,
    "a spike is missing": spike_missing,
    "an audit row is off by one": audit_row_off_by_one,
    **FILE_MUTANTS,
    **TOLD_MUTANTS,
}


def _one_unit_more(value: object) -> object:
    match value:
        case bool():
            return not value
        case Decimal():
            return value + UNIT
        case int():
            return value + 1
    return value + MICROSECOND  # type: ignore[operator]  # an instant: no column has another type


def _coordinates(row: Row) -> tuple[int, int]:
    return row["kafka_partition"], row["kafka_offset"]


def _record(row: Row) -> str:
    return f"partition {row['kafka_partition']} offset {row['kafka_offset']}"


def _trade(row: Row) -> str:
    return f"{row['symbol']} agg_id {row['agg_id']}"


def _minute(row: Row) -> str:
    return f"{row['symbol']} {row['minute']:%Y-%m-%dT%H:%MZ}"
