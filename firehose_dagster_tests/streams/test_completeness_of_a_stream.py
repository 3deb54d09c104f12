"""From a hole in the stream to a sealed hour and a complete minute, through real tables; every state is verified."""

from datetime import UTC, datetime
from typing import Any

import pytest

from firehose_dagster.contracts.ops_tables import OPS_COMPLETENESS
from firehose_dagster.lake.exchange_holes import ExchangeHole, append_holes
from firehose_dagster.lake.query import run_query
from firehose_dagster.maintenance.completeness.look import look
from firehose_dagster.streams import gold_holes
from firehose_dagster_tests.streams.scenario import START, Scenario, trades

pytestmark = pytest.mark.spark

TEN = START.replace(hour=10, minute=0)


def _hour_at_ten(scenario: Scenario) -> tuple[Any, ...]:
    """Missing ids, exchange holes, reason against the seal, version: of the newest row, after a look."""
    look(scenario.catalog, scenario.settings)
    rows = run_query(
        scenario.settings,
        "SELECT missing, exchange_holes, unsealed_reason, seal_version FROM ops_completeness "
        "WHERE hour = TIMESTAMPTZ '2026-01-05 10:00:00Z' ORDER BY checked_at DESC LIMIT 1",
    ).to_pylist()
    return tuple(rows[0].values())


def _incomplete_minutes(scenario: Scenario) -> list[str]:
    rows = run_query(
        scenario.settings, "SELECT minute FROM crypto_gold_minute WHERE NOT is_complete ORDER BY minute"
    ).to_pylist()
    return [f"{row['minute']:%H:%M}" for row in rows]


def _tell_hole(scenario: Scenario, first: int, last: int) -> None:
    hole = ExchangeHole("BTCUSDT", first, last, last + 1, datetime.now(UTC))
    append_holes(scenario.catalog, [hole])


def test_a_hole_is_incomplete_then_healed_sealed_changed_and_sealed_again(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gold_holes, "REFRESH_SECONDS", 0.0)
    # Two trades a minute from 9:40 on; of the hour from 10:00 on (ids 41 to 160) some are left out.
    sent = trades(1, 240)
    healed_later = [sent[agg_id - 1] for agg_id in (60, 61, 62)]
    never_sent = [sent[agg_id - 1] for agg_id in (101, 102, 104)]
    lacking = [each for each in sent if each not in healed_later and each not in never_sent]
    scenario.send(*lacking)
    scenario.run()
    assert _hour_at_ten(scenario) == (6, 0, "missing", 0)
    first_minute = f"{START:%H:%M}"
    # Id 60 is the second of 10:09, 61 and 62 are all of 10:10: so 10:09 lacks nothing that it can know of.
    assert _incomplete_minutes(scenario) == [first_minute, "10:11", "10:31", "10:32"]
    assert {check.name for check in scenario.judged().checks if not check.ok} == {"silver_is_contiguous"}

    scenario.send(*healed_later)
    scenario.run()
    assert _hour_at_ten(scenario) == (3, 0, "missing", 0)
    assert _incomplete_minutes(scenario) == [first_minute, "10:31", "10:32"]

    # The exchange does not have the rest. Gold learns of it with its next batch, whatever that is about.
    _tell_hole(scenario, 101, 102)
    _tell_hole(scenario, 104, 104)
    scenario.send(*trades(241, 242, minute=120))
    scenario.run()
    assert _hour_at_ten(scenario) == (0, 3, None, 1)
    assert _incomplete_minutes(scenario) == [first_minute]
    scenario.require_proven()

    # One of them comes after all: the hour is sealed anew, and gold stays true across a restart.
    scenario.send(never_sent[2])
    scenario.run()
    assert _hour_at_ten(scenario) == (0, 2, None, 2)
    scenario.kill()
    scenario.send(*trades(243, 244, minute=121))
    scenario.run()
    assert _incomplete_minutes(scenario) == [first_minute]
    scenario.require_proven()
    figures = {check.name: check.figures for check in scenario.judged().checks}
    assert figures["silver_is_contiguous"]["exchange_holes"] == 2
    assert figures["completeness_equals_recomputation"]["recomputed"] == "yes"
    history = scenario.catalog.load_table(OPS_COMPLETENESS.identifier).scan().to_arrow().to_pylist()
    assert max(row["seal_version"] for row in history if row["hour"] == TEN) == 2


def test_a_hole_told_while_the_stream_was_off_is_known_when_it_starts(scenario: Scenario) -> None:
    sent = trades(1, 40)
    scenario.send(*(each for each in sent if each["agg_id"] not in (11, 12, 13)))
    scenario.run()
    assert len(_incomplete_minutes(scenario)) == 2
    scenario.kill()
    _tell_hole(scenario, 11, 13)
    scenario.started()
    assert _incomplete_minutes(scenario) == [f"{START:%H:%M}"]
    scenario.require_proven()
