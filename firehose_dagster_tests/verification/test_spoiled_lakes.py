"""Each way of spoiling a lake turns the checks red that it should, and no other, and is told with its place."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from firehose_dagster.contracts.position import Position
from firehose_dagster_tests.verification.judging import failed, told, verified
from firehose_dagster_tests.verification.small_lake import START, TOPIC, SmallLake, small_lake

UNIT = Decimal("0.00000001")


def _drop(rows: list[dict[str, Any]], index: int) -> None:
    del rows[index]


def _double(rows: list[dict[str, Any]], index: int) -> None:
    rows.append(dict(rows[index]))


def _change(rows: list[dict[str, Any]], index: int, **values: object) -> None:
    rows[index] = rows[index] | values


def _tell_of_another_trade(lake: SmallLake) -> None:
    _change(lake.quarantine, 0, agg_id=9_998)
    _change(lake.bronze, 201, agg_id=9_998)


def _agree_on_another_rule(lake: SmallLake) -> None:
    _change(lake.quarantine, 0, reasons=["qty_is_positive"])
    _change(lake.stamped_audit, 0, dq_fail_by_rule={"qty_is_positive": 1, "same_id_has_same_content": 1})


# Row 53 of silver: minute 10, the fourth row (five a minute, ALPHA's three first): BETA agg_id 1020, offset 20.
MUTANTS: dict[str, tuple[Callable[[SmallLake], None], set[str], str]] = {
    "a silver row is lost": (
        lambda lake: _drop(lake.silver, 53),
        {
            "silver_is_contiguous",
            "rows_are_conserved",
            "audit_adds_up",
            "rest_is_duplicates",
            "gold_equals_recomputation",
            "spikes_have_their_events",
        },
        "BETA lacks 1 of its ids from 1000 to 1079: 1020",
    ),
    "a silver row is doubled": (
        lambda lake: _double(lake.silver, 53),
        {"silver_has_no_duplicates", "rows_are_conserved", "audit_adds_up", "gold_equals_recomputation"},
        "BETA agg_id 1020 is there 2 times",
    ),
    "a silver price is one unit off": (
        lambda lake: _change(lake.silver, 53, price=lake.silver[53]["price"] + UNIT),
        {"silver_equals_bronze", "gold_equals_recomputation", "spikes_have_their_events"},
        "BETA agg_id 1020 (partition 1 offset 20) differs: price 0.50000001, bronze 0.50000000",
    ),
    "a silver quantity is not positive": (
        lambda lake: _change(lake.silver, 53, qty=Decimal("0E-8")),
        {"silver_values_are_valid", "silver_equals_bronze", "gold_equals_recomputation"},
        "BETA agg_id 1020: qty is not above 0",
    ),
    "a silver price is not positive": (
        lambda lake: _change(lake.silver, 53, price=Decimal("0E-8")),
        {"silver_values_are_valid", "silver_equals_bronze", "gold_equals_recomputation", "spikes_have_their_events"},
        "BETA agg_id 1020: price is not above 0",
    ),
    "a silver id is negative": (
        lambda lake: _change(lake.silver, 53, agg_id=-1),
        {"silver_values_are_valid", "silver_is_contiguous", "silver_equals_bronze", "gold_equals_recomputation"},
        "BETA agg_id -1: agg_id is negative",
    ),
    "trade ids are in the wrong order": (
        lambda lake: _change(lake.silver, 53, last_trade_id=1),
        {"silver_values_are_valid", "silver_equals_bronze"},
        "last_trade_id is below first_trade_id",
    ),
    "the hour is not the hour of the event": (
        lambda lake: _change(lake.silver, 53, dt_hour=lake.silver[53]["dt_hour"] + timedelta(hours=1)),
        {"silver_values_are_valid", "silver_equals_bronze"},
        "dt_hour is not the hour of event_ts",
    ),
    "a silver symbol is another": (
        lambda lake: _change(lake.silver, 53, symbol="GAMMA"),
        {"silver_is_contiguous", "silver_equals_bronze", "gold_equals_recomputation", "spikes_have_their_events"},
        "GAMMA agg_id 1020 (partition 1 offset 20) differs: symbol GAMMA, bronze BETA",
    ),
    "a silver row came another way": (
        lambda lake: _change(lake.silver, 53, source="rest"),
        {"silver_equals_bronze"},
        "BETA agg_id 1020 (partition 1 offset 20) differs: source rest, bronze ws",
    ),
    "the maker side is turned round": (
        lambda lake: _change(lake.silver, 53, is_buyer_maker=False),
        {"silver_equals_bronze"},
        "is_buyer_maker false, bronze true",
    ),
    "the coordinates of a silver row name another record": (
        lambda lake: _change(lake.silver, 53, kafka_offset=79_999),
        {"silver_equals_bronze"},
        "BETA agg_id 1020 (partition 1 offset 79999) has no record in bronze",
    ),
    "a rejected record is in silver": (
        lambda lake: _change(lake.bronze, 53, raw="{}"),
        {"silver_equals_bronze"},
        "BETA agg_id 1020 (partition 1 offset 20) is in silver, but bronze marks the record as one that broke a rule",
    ),
    "a bronze row of silver is lost": (
        lambda lake: _drop(lake.bronze, 53),
        {"bronze_offsets_are_contiguous", "rows_are_conserved", "audit_adds_up", "silver_equals_bronze"},
        "partition 1 lacks the offsets 20 to 20",
    ),
    "the last bronze rows are lost": (
        lambda lake: _drop(lake.bronze, -1),
        {"bronze_offsets_are_contiguous", "rows_are_conserved", "audit_adds_up", "quarantine_is_explained"},
        "partition 0 lacks the offsets 222 to 222",
    ),
    "a bronze row is doubled": (
        lambda lake: _double(lake.bronze, -3),
        {"bronze_offsets_are_contiguous", "rows_are_conserved", "audit_adds_up"},
        "partition 0 offset 220 is there 2 times",
    ),
    "a quarantine row is lost": (
        lambda lake: _drop(lake.quarantine, 0),
        {"rows_are_conserved", "audit_adds_up", "rest_is_duplicates"},
        "partition 0 offset 221 (ALPHA agg_id 9999) is in bronze, but neither in silver nor in quarantine",
    ),
    "a quarantined conflict is lost": (
        lambda lake: _drop(lake.quarantine, 1),
        {"rows_are_conserved", "audit_adds_up", "rest_is_duplicates"},
        "silver holds the id with other content",
    ),
    "a quarantine row is doubled": (
        lambda lake: _double(lake.quarantine, 0),
        {"rows_are_conserved", "audit_adds_up", "quarantine_is_explained"},
        "partition 0 offset 221 is there more than once",
    ),
    "a silver row is in quarantine too": (
        lambda lake: lake.quarantine.append(lake.quarantine[0] | {"kafka_partition": 1, "kafka_offset": 20}),
        {"rows_are_conserved", "audit_adds_up", "quarantine_is_explained"},
        "partition 1 offset 20 is in silver too",
    ),
    "a quarantine row has no reason": (
        lambda lake: _change(lake.quarantine, 0, reasons=[]),
        {"quarantine_is_explained", "audit_adds_up"},
        "partition 0 offset 221 has no reason",
    ),
    "a quarantine row names an unknown rule": (
        lambda lake: _change(lake.quarantine, 0, reasons=["price_is_positive", "i_did_not_like_it"]),
        {"quarantine_is_explained", "audit_adds_up"},
        "names a rule that does not exist",
    ),
    "a quarantine row has lost its text": (
        lambda lake: _change(lake.quarantine, 0, raw=None),
        {"quarantine_is_explained"},
        "has another text than bronze",
    ),
    "a row that broke a rule names a conflict": (
        lambda lake: _change(lake.quarantine, 0, reasons=["same_id_has_same_content"]),
        {"quarantine_is_explained", "audit_adds_up"},
        "partition 0 offset 221 names a conflict, but bronze marks the record as one that broke a rule",
    ),
    "a quarantined conflict names a rule": (
        lambda lake: _change(lake.quarantine, 1, reasons=["price_is_positive"]),
        {"quarantine_is_explained", "audit_adds_up"},
        "partition 0 offset 222 names a rule, but bronze holds the record for valid",
    ),
    "a quarantine row and its record tell of another trade than the text": (
        _tell_of_another_trade,
        {"quarantine_is_explained"},
        "partition 0 offset 221 is ALPHA agg_id 9998, but its text is of another trade",
    ),
    "quarantine and audit agree on a rule that is not broken": (
        _agree_on_another_rule,
        {"quarantine_is_explained"},
        "partition 0 offset 221 names qty_is_positive, but its text breaks price_is_positive",
    ),
    "the hour of a rejected record is another": (
        lambda lake: _change(lake.bronze, 201, dt_hour=lake.bronze[201]["dt_hour"] + timedelta(hours=1)),
        {"silver_equals_bronze"},
        "partition 0 offset 221: bronze's trade_time is ",
    ),
    "the stamp's count by rule is too small": (
        lambda lake: _change(lake.stamped_audit, 0, dq_fail_by_rule={"price_is_positive": 1}),
        {"audit_adds_up"},
        "trades/1: dq_fail_by_rule tells of 0 for same_id_has_same_content, but quarantine holds 1 of its records",
    ),
    "the audit's count of duplicates is off by one": (
        lambda lake: _change(lake.stamped_audit, 0, duplicates=2),
        {"rows_are_conserved", "audit_adds_up"},
        "trades/1: rows_in 103 is not rows_out 100 + dq_fail 2 + duplicates 2",
    ),
    "the audit's rows in and out are off by one": (
        lambda lake: _change(lake.audit, 0, rows_in=101, rows_out=101),
        {"audit_adds_up"},
        "trades/0: its offsets span 100 records, but rows_in is 101",
    ),
    "a batch leaves out a record": (
        lambda lake: _change(lake.stamped_audit, 0, offsets_start=Position(TOPIC, {0: 161, 1: 40}).to_json()),
        {"audit_adds_up"},
        "trades/1: partition 0 starts at 161, not at 160: it leaves out records",
    ),
    "a batch reads a record again": (
        lambda lake: _change(lake.stamped_audit, 0, offsets_start=Position(TOPIC, {0: 159, 1: 40}).to_json()),
        {"audit_adds_up"},
        "trades/1: partition 0 starts at 159, not at 160: it reads again records",
    ),
    "the audit ends before the position": (
        lambda lake: _change(lake.stamped_audit, 0, offsets_end=Position(TOPIC, {0: 222, 1: 80}).to_json()),
        {"audit_adds_up"},
        "partition 0: the audit ends at offset 222, the position is 223",
    ),
    # The watermark is the time of minute 21's first trades: late are the five of minute 20, those two are not.
    "late rows are not counted": (
        lambda lake: _change(lake.stamped_audit, 0, watermark=START + timedelta(minutes=21, microseconds=123_456)),
        {"audit_adds_up"},
        "trades/1: late_rows is 0, but 5 of its rows in silver are before its watermark",
    ),
    "a batch is not in the audit": (
        lambda lake: lake.audit.clear(),
        {"audit_adds_up"},
        "partition 0: the audit begins at offset 160, bronze at 100",
    ),
    "a batch is in the audit twice": (
        lambda lake: _double(lake.audit, 0),
        {"audit_adds_up"},
        "trades/0 is recorded 2 times",
    ),
    "a gold row is missing": (
        lambda lake: _drop(lake.gold, 10),
        {"gold_equals_recomputation"},
        "ALPHA 2026-01-01T09:50Z: the row is missing",
    ),
    "a gold row is extra": (
        lambda lake: lake.gold.append(lake.gold[0] | {"symbol": "GAMMA"}),
        {"gold_equals_recomputation", "audit_adds_up"},
        "GAMMA 2026-01-01T09:40Z: there is a row, but silver has no trade",
    ),
    "a gold row is doubled": (
        lambda lake: _double(lake.gold, 0),
        {"gold_equals_recomputation", "audit_adds_up"},
        "ALPHA 2026-01-01T09:40Z: there are 2 rows of it",
    ),
    "a spike has no event": (
        lambda lake: _drop(lake.spikes, 0),
        {"spikes_have_their_events", "audit_adds_up"},
        "ALPHA 2026-01-01T10:15Z volume: gold flags it, but it has no event spike_",
    ),
    "a spike event is there twice": (
        lambda lake: _double(lake.spikes, 0),
        {"spikes_have_their_events", "audit_adds_up"},
        "is there more than once",
    ),
    "a spike event has another id": (
        lambda lake: _change(lake.spikes, 0, spike_id="spike_1"),
        {"spikes_have_their_events"},
        "its id is spike_1, should be spike_",
    ),
    "a spike event is of an unknown kind": (
        lambda lake: lake.spikes.append(lake.spikes[0] | {"spike_id": "spike_2", "kind": "mood"}),
        {"spikes_have_their_events", "audit_adds_up"},
        "its kind is not one of price, volume",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_spoiled_lake_fails_exactly_the_checks_it_should_and_says_where(name: str, tmp_path: Path) -> None:
    spoil, failing, example = MUTANTS[name]
    lake = small_lake()
    spoil(lake)
    report = verified(tmp_path, lake)
    assert failed(report) == failing, told(report)
    assert example in told(report)
    assert not report.ok
