"""Damage to what a table tells of others: spike events, audit, quarantine, and bronze's times."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.rules import CONFLICT_RULE, RULE_NAMES
from firehose_dagster.contracts.spike import spike_id
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SPIKES
from firehose_dagster_tests.verification.mutant import Draw, Finding, Mutate
from firehose_dagster_tests.verification.stored_lake import StoredLake, StoredRow

_UNIT = Decimal("0.00000001")


def batches(lake: StoredLake) -> list[StoredRow]:
    """The audit's rows of micro-batches, oldest first."""
    rows = (held for held in lake.rows(OPS_AUDIT) if held.row["kind"] == "micro_batch")
    return sorted(rows, key=lambda held: str(held.row["finished_at"]))


def spike_figure_off(lake: StoredLake, draw: Draw) -> Finding:
    hit = draw.choice(lake.rows(SPIKES))
    row = hit.row
    column = draw.in_turn(("score", "price", "volume", "vwap", "return_1m"))
    lake.replace(hit, row | {column: row[column] + draw.choice((-_UNIT, _UNIT))})
    told = f"{row['symbol']} {row['minute']:%Y-%m-%dT%H:%MZ} {row['kind']}: {column} "
    return Finding("spikes_have_their_events", told)


def spike_of_no_minute(lake: StoredLake, draw: Draw) -> Finding:
    hit = draw.choice(lake.rows(SPIKES))
    minute = hit.row["minute"] + timedelta(days=draw.choice((-1, 1)))
    symbol, kind = hit.row["symbol"], hit.row["kind"]
    lake.replace(hit, hit.row, hit.row | {"minute": minute, "spike_id": spike_id(symbol, minute, kind)})
    told = f"{symbol} {minute:%Y-%m-%dT%H:%MZ} {kind}: there is an event, but silver has no trade in the minute"
    return Finding("spikes_have_their_events", told)


def audit_of_rules_off(lake: StoredLake, draw: Draw) -> Finding:
    """One more for a rule that was broken, or one for a rule that was not."""
    hit = draw.choice(batches(lake))
    counts = Counter(dict(hit.row["dq_fail_by_rule"]))
    rule = draw.in_turn((*counts, *RULE_NAMES))
    counts[rule] += 1
    lake.replace(hit, hit.row | {"dq_fail_by_rule": list(counts.items())})
    told = f"{hit.row['run_id']}: dq_fail_by_rule tells of {counts[rule]} for {rule}, but quarantine holds"
    return Finding("audit_adds_up", told)


def audit_of_spikes_off(lake: StoredLake, draw: Draw) -> Finding:
    counts = Counter(held.row["silver_snapshot_id"] for held in lake.rows(SPIKES))
    hit = draw.choice([held for held in batches(lake) if held.row["silver_snapshot_id"] in counts])
    told = hit.row["spikes"] + draw.choice((-1, 1))
    lake.replace(hit, hit.row | {"spikes": told})
    return Finding("audit_adds_up", f"{hit.row['run_id']}: spikes is {told}, but {hit.row['spikes']} events name")


def audit_of_gold_too_small(lake: StoredLake, draw: Draw) -> Finding:
    """Fewer rows than name the batch as the one that changed them last; more cannot be told."""
    counts = Counter(held.row["silver_snapshot_id"] for held in lake.rows(GOLD))
    hit = draw.choice([held for held in batches(lake) if held.row["silver_snapshot_id"] in counts])
    changed = counts[hit.row["silver_snapshot_id"]]
    lake.replace(hit, hit.row | {"gold_minutes": changed - 1})
    return Finding("audit_adds_up", f"{hit.row['run_id']}: gold_minutes is {changed - 1}, but {changed} rows name it")


def reason_of_another_rule(lake: StoredLake, draw: Draw) -> Finding:
    hit = draw.choice(lake.rows(QUARANTINE))
    others = [name for name in RULE_NAMES if [name] != hit.row["reasons"]]
    rule = CONFLICT_RULE if draw.in_turn((True, False)) and CONFLICT_RULE in others else draw.choice(others)
    lake.replace(hit, hit.row | {"reasons": [rule]})
    return Finding("quarantine_is_explained", f"offset {hit.row['kafka_offset']} names ")


def rejected_trade_altered(lake: StoredLake, draw: Draw) -> Finding:
    hit = draw.choice([held for held in lake.rows(QUARANTINE) if held.row["symbol"] and held.row["received_at"]])
    row = hit.row
    column, value = draw.in_turn(
        (
            ("symbol", f"{row['symbol']}X"),
            ("agg_id", (row["agg_id"] or 0) + 1),
            ("received_at", row["received_at"] + timedelta(microseconds=1)),
        )
    )
    lake.replace(hit, row | {column: value})
    return Finding("quarantine_is_explained", f"offset {row['kafka_offset']} has another {column} than bronze")


def bronze_trade_time_off(lake: StoredLake, draw: Draw) -> Finding:
    hit = draw.choice([held for held in lake.rows(BRONZE) if held.row["event_ts"] is not None])
    row = hit.row
    step = draw.choice((-1, 1))
    lake.replace(hit, row | {"trade_time": row["trade_time"] + step})
    where = f"partition {row['kafka_partition']} offset {row['kafka_offset']}"
    return Finding("silver_equals_bronze", f"{where}: bronze's trade_time is {row['trade_time'] + step}, its event_ts ")


TOLD_MUTANTS: dict[str, Mutate] = {
    "a spike's figure is off by one unit": spike_figure_off,
    "a spike is of a minute without trades": spike_of_no_minute,
    "the audit's count by rule is off by one": audit_of_rules_off,
    "the audit's count of spikes is off by one": audit_of_spikes_off,
    "the audit's count of gold minutes is too small": audit_of_gold_too_small,
    "a reason is another rule": reason_of_another_rule,
    "a rejected trade is altered": rejected_trade_altered,
    "a trade time of bronze is off": bronze_trade_time_off,
}
