"""A consistent lake is green; each way of spoiling it turns the checks red that it should, and no other."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, GOLD_PROVENANCE_COLUMNS, QUARANTINE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster.verification.gold_recomputed import gold_equals_recomputation
from firehose_dagster.verification.pinned_lake import pin
from firehose_dagster.verification.rendering import to_json, to_text
from firehose_dagster.verification.report import VerificationReport
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.small_lake import SmallLake, append, small_lake, write, write_gold

UNIT = Decimal("0.00000001")


def _settings(home: Path) -> Settings:
    return Settings(home=home, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings takes it


def _verified(home: Path, lake: SmallLake) -> VerificationReport:
    write(_settings(home), lake)
    return verify(_settings(home))


def _failed(report: VerificationReport) -> set[str]:
    return {check.name for check in report.checks if not check.ok}


def _told(report: VerificationReport) -> str:
    return "\n".join(example for check in report.checks for example in check.examples)


def test_a_consistent_lake_is_verified_with_its_figures(tmp_path: Path) -> None:
    report = _verified(tmp_path, small_lake())
    assert report.ok, _told(report)
    assert [(each.symbol, each.rows, each.first_agg_id, each.last_agg_id) for each in report.symbols] == [
        ("ALPHA", 120, 1_000, 1_119),
        ("BETA", 80, 1_000, 1_079),
    ]
    figures = {check.name: check.figures for check in report.checks}
    assert figures["rows_are_conserved"] == {"bronze": 203, "silver": 200, "quarantine": 2, "duplicates": 1}
    assert figures["audit_adds_up"] == {"batches": 2, "rows_in": 203, "rows_out": 200, "dq_fail": 2}
    assert figures["gold_equals_recomputation"]["minutes"] == 80
    assert figures["spikes_have_their_events"] == {"flags": 3, "events": 3, "missing": 0}


def test_an_empty_lake_is_not_verified_and_says_why(tmp_path: Path) -> None:
    report = verify(_settings(tmp_path))
    assert not report.ok
    assert to_text(report) == "the lake holds no trade yet"


def _drop(rows: list[dict[str, Any]], index: int) -> None:
    del rows[index]


def _double(rows: list[dict[str, Any]], index: int) -> None:
    rows.append(dict(rows[index]))


def _change(rows: list[dict[str, Any]], index: int, **values: object) -> None:
    rows[index] = rows[index] | values


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
        {"silver_equals_bronze", "gold_equals_recomputation"},
        "BETA agg_id 1020 (partition 1 offset 20) differs: price 0.50000001, bronze 0.50000000",
    ),
    "a silver quantity is not positive": (
        lambda lake: _change(lake.silver, 53, qty=Decimal("0E-8")),
        {"silver_values_are_valid", "silver_equals_bronze", "gold_equals_recomputation"},
        "BETA agg_id 1020: qty is not above 0",
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
    "a quarantine row has no reason": (
        lambda lake: _change(lake.quarantine, 0, reasons=[]),
        {"quarantine_is_explained"},
        "partition 0 offset 221 has no reason",
    ),
    "a quarantine row names an unknown rule": (
        lambda lake: _change(lake.quarantine, 0, reasons=["price_is_positive", "i_did_not_like_it"]),
        {"quarantine_is_explained"},
        "names a rule that does not exist",
    ),
    "a quarantine row has lost its text": (
        lambda lake: _change(lake.quarantine, 0, raw=None),
        {"quarantine_is_explained"},
        "has another text than bronze",
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
        {"gold_equals_recomputation"},
        "GAMMA 2026-01-01T09:40Z: there is a row, but silver has no trade",
    ),
    "a gold row is doubled": (
        lambda lake: _double(lake.gold, 0),
        {"gold_equals_recomputation"},
        "ALPHA 2026-01-01T09:40Z: there are 2 rows of it",
    ),
    "a spike has no event": (
        lambda lake: _drop(lake.spikes, 0),
        {"spikes_have_their_events"},
        "ALPHA 2026-01-01T10:15Z volume: gold flags it, but it has no event spike_",
    ),
    "a spike event is there twice": (
        lambda lake: _double(lake.spikes, 0),
        {"spikes_have_their_events"},
        "is there more than once",
    ),
    "a spike event has another id": (
        lambda lake: _change(lake.spikes, 0, spike_id="spike_1"),
        {"spikes_have_their_events"},
        "its id is spike_1, should be spike_",
    ),
    "a spike event is of an unknown kind": (
        lambda lake: lake.spikes.append(lake.spikes[0] | {"spike_id": "spike_2", "kind": "mood"}),
        {"spikes_have_their_events"},
        "its kind is not one of price, volume",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_spoiled_lake_fails_exactly_the_checks_it_should_and_says_where(name: str, tmp_path: Path) -> None:
    spoil, failing, told = MUTANTS[name]
    lake = small_lake()
    spoil(lake)
    report = _verified(tmp_path, lake)
    assert _failed(report) == failing, _told(report)
    assert told in _told(report)
    assert not report.ok


def test_every_stale_gold_column_is_found_and_named(tmp_path: Path) -> None:
    lake = small_lake()
    settings = _settings(tmp_path)
    write(settings, lake)
    silver = open_catalog(settings).load_table(SILVER.identifier).current_snapshot()
    assert silver is not None
    content = [name for name in GOLD.column_names if name not in (*GOLD_PROVENANCE_COLUMNS, "symbol", "minute")]
    # Each column is spoiled in a row of its own: one verification finds them all.
    spoiled = [dict(row) for row in lake.gold]
    for index, column in enumerate(content, start=12):
        value = spoiled[index][column]
        assert value is not None
        step = UNIT / 10**8 if column == "quote_volume" else UNIT if isinstance(value, Decimal) else 1
        spoiled[index][column] = not value if isinstance(value, bool) else value + step
    write_gold(settings, spoiled, silver.snapshot_id)
    report = verify(settings)
    (gold,) = (check for check in report.checks if check.name == "gold_equals_recomputation")
    assert gold.breaches == len(content)
    for index, column in enumerate(content, start=12):
        one = [dict(row) for row in lake.gold]
        one[index] = spoiled[index]
        write_gold(settings, one, silver.snapshot_id)
        with pin(settings) as pinned:
            gold = gold_equals_recomputation(pinned, settings)
        assert gold.breaches == 1
        minute = spoiled[index]["minute"]
        assert gold.examples[0].startswith(f"{spoiled[index]['symbol']} {minute:%Y-%m-%dT%H:%MZ}: {column} ")


def test_gold_provenance_is_no_content(tmp_path: Path) -> None:
    lake = small_lake()
    _change(lake.gold, 3, revision=7, updated_at=lake.gold[3]["updated_at"] + timedelta(days=1), silver_snapshot_id=1)
    assert _verified(tmp_path, lake).ok


def test_what_bronze_and_quarantine_hold_beyond_the_position_is_not_judged_yet(tmp_path: Path) -> None:
    lake, settings = small_lake(), _settings(tmp_path)
    write(settings, lake)
    ahead = {OFFSETS: '{"binance.aggtrade":{"0":225,"1":80}}'}
    append(settings, BRONZE, [lake.bronze[0] | {"kafka_offset": offset} for offset in (223, 224)], ahead)
    append(settings, QUARANTINE, [lake.quarantine[0] | {"kafka_offset": 223}], ahead)
    report = verify(settings)
    assert report.ok, _told(report)
    figures = {check.name: check.figures for check in report.checks}
    assert figures["bronze_offsets_are_contiguous"]["rows_ahead_of_silver"] == 2


def test_gold_is_judged_on_the_silver_snapshot_it_was_computed_from(tmp_path: Path) -> None:
    lake, settings = small_lake(), _settings(tmp_path)
    write(settings, lake)
    newer = lake.silver[-1] | {"agg_id": 1_080, "kafka_offset": 80}
    ahead = {OFFSETS: '{"binance.aggtrade":{"0":223,"1":80}}'}
    append(settings, SILVER, [newer], ahead)
    report = verify(settings)
    assert "gold_equals_recomputation" not in _failed(report)
    assert any("1 rows ago" in remark for remark in report.remarks)


def test_a_hole_in_silver_that_gold_knows_of_is_told_with_its_range(tmp_path: Path) -> None:
    lake = small_lake()
    lake.silver = [row for row in lake.silver if not (row["symbol"] == "BETA" and 1_020 <= row["agg_id"] <= 1_024)]
    report = _verified(tmp_path, lake)
    beta = report.symbols[1]
    assert (beta.missing, beta.missing_ranges, beta.contiguous) == (5, ((1_020, 1_024),), False)


def test_the_json_report_says_what_the_text_says(tmp_path: Path) -> None:
    report = _verified(tmp_path, small_lake())
    told = json.loads(to_json(report))
    assert told["ok"] is True
    assert [each["symbol"] for each in told["symbols"]] == ["ALPHA", "BETA"]
    assert all(check["ok"] for check in told["checks"])
    assert "verified: 200 trades of 2 symbols, every check passed" in to_text(report)
