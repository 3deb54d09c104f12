"""A consistent lake is green with its figures, and each table is judged on the state that it speaks of."""

import json
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.contracts.trade_tables import BRONZE, QUARANTINE, SILVER
from firehose_dagster.verification import verify as verify_module
from firehose_dagster.verification.rendering import to_json, to_text
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.judging import failed, settings_of, told, verified
from firehose_dagster_tests.verification.small_lake import append, small_lake, write


def test_a_consistent_lake_is_verified_with_its_figures(tmp_path: Path) -> None:
    report = verified(tmp_path, small_lake())
    assert report.ok, told(report)
    assert [(each.symbol, each.rows, each.first_agg_id, each.last_agg_id) for each in report.symbols] == [
        ("ALPHA", 120, 1_000, 1_119),
        ("BETA", 80, 1_000, 1_079),
    ]
    figures = {check.name: check.figures for check in report.checks}
    assert figures["rows_are_conserved"] == {"bronze": 203, "silver": 200, "quarantine": 2, "duplicates": 1}
    assert figures["audit_adds_up"] == {"batches": 2, "rows_in": 203, "rows_out": 200, "dq_fail": 2}
    assert figures["gold_equals_recomputation"]["minutes"] == 80
    assert figures["spikes_have_their_events"] == {"flags": 3, "events": 3, "missing": 0, "recomputed": 3}


def test_an_empty_lake_is_not_verified_and_says_why(tmp_path: Path) -> None:
    report = verify(settings_of(tmp_path))
    assert not report.ok
    assert to_text(report) == "the lake holds no trade yet"


def test_a_check_that_cannot_be_made_is_a_breach_that_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def overflows(*_: object) -> None:
        raise duckdb.OutOfRangeException("Overflow in addition of INT128")

    monkeypatch.setattr(verify_module, "silver_values_are_valid", overflows)
    report = verified(tmp_path, small_lake())
    assert failed(report) == {"silver_values_are_valid"}
    assert told(report) == "could not be judged: Overflow in addition of INT128"


def test_gold_provenance_is_no_content(tmp_path: Path) -> None:
    lake = small_lake()
    lake.gold[3] |= {
        "revision": 7,
        "updated_at": lake.gold[3]["updated_at"] + timedelta(days=1),
        "silver_snapshot_id": 1,
    }
    assert verified(tmp_path, lake).ok


def test_what_bronze_and_quarantine_hold_beyond_the_position_is_not_judged_yet(tmp_path: Path) -> None:
    lake, settings = small_lake(), settings_of(tmp_path)
    write(settings, lake)
    ahead = {OFFSETS: '{"binance.aggtrade":{"0":225,"1":80}}'}
    append(settings, BRONZE, [lake.bronze[0] | {"kafka_offset": offset} for offset in (223, 224)], ahead)
    append(settings, QUARANTINE, [lake.quarantine[0] | {"kafka_offset": 223}], ahead)
    report = verify(settings)
    assert report.ok, told(report)
    figures = {check.name: check.figures for check in report.checks}
    assert figures["bronze_offsets_are_contiguous"]["rows_ahead_of_silver"] == 2


def test_gold_is_judged_on_the_silver_snapshot_it_was_computed_from(tmp_path: Path) -> None:
    lake, settings = small_lake(), settings_of(tmp_path)
    write(settings, lake)
    newer = lake.silver[-1] | {"agg_id": 1_080, "kafka_offset": 80}
    ahead = {OFFSETS: '{"binance.aggtrade":{"0":223,"1":80}}'}
    append(settings, SILVER, [newer], ahead)
    report = verify(settings)
    assert "gold_equals_recomputation" not in failed(report)
    assert any("1 rows ago" in remark for remark in report.remarks)


def test_a_hole_in_silver_that_gold_knows_of_is_told_with_its_range(tmp_path: Path) -> None:
    lake = small_lake()
    lake.silver = [row for row in lake.silver if not (row["symbol"] == "BETA" and 1_020 <= row["agg_id"] <= 1_024)]
    report = verified(tmp_path, lake)
    beta = report.symbols[1]
    assert (beta.missing, beta.missing_ranges, beta.contiguous) == (5, ((1_020, 1_024),), False)


def test_the_json_report_says_what_the_text_says(tmp_path: Path) -> None:
    report = verified(tmp_path, small_lake())
    said = json.loads(to_json(report))
    assert said["ok"] is True
    assert [each["symbol"] for each in said["symbols"]] == ["ALPHA", "BETA"]
    assert all(check["ok"] for check in said["checks"])
    assert "verified: 200 trades of 2 symbols, every check passed" in to_text(report)
