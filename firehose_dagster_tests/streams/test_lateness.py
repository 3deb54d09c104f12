"""What comes hours or weeks late lands once, is counted, and changes exactly the gold rows that depend on it."""

from datetime import timedelta
from decimal import Decimal

import pytest

from firehose_dagster.contracts.position import WATERMARK
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster_tests.streams.scenario import START, Scenario, microseconds, trade, trades

pytestmark = pytest.mark.spark

THREE_WEEKS = 21 * 24 * 60
"""In minutes."""


def _records(scenario: Scenario, partition: int, first: int, last: int) -> list[tuple[int, int, bytes | None]]:
    return [(partition, offset, scenario.topic[partition][offset]) for offset in range(first, last + 1)]


def _by_minute(scenario: Scenario, columns: str, symbol: str = "BTCUSDT") -> dict[int, tuple[object, ...]]:
    """Columns of a symbol's gold rows, by minutes after 09:40."""
    rows = scenario.query(
        f"SELECT epoch_us(minute) AS at, {columns} FROM crypto_gold_minute WHERE symbol = '{symbol}'"  # noqa: S608 names of the contract
    )
    return {(row.pop("at") - microseconds(START)) // 60_000_000: tuple(row.values()) for row in rows}


def test_partitions_hours_apart_in_catch_up_land_whole_and_only_what_is_behind_the_watermark_is_late(
    scenario: Scenario,
) -> None:
    scenario.send(*trades(1, 8), partition=0)
    scenario.send(*trades(1, 8, minute=240, symbol="ETHUSDT"), partition=1)
    scenario.process([*_records(scenario, 0, 0, 0), *_records(scenario, 1, 0, 3)])
    scenario.process([*_records(scenario, 0, 1, 5), *_records(scenario, 1, 4, 7)])
    scenario.process(_records(scenario, 0, 6, 7))
    scenario.stop()
    # Before the first batch there is no watermark. Behind it all of BTCUSDT is late, nothing of ETHUSDT.
    assert [(audit.rows_out, audit.late_rows) for audit in scenario.audits] == [(5, 0), (9, 5), (2, 2)]
    # The first minute was final with one trade, and got its second in the second batch.
    assert _by_minute(scenario, "trades::INT AS trades, is_final, revision") == {
        0: (2, True, 1),
        1: (2, True, 0),
        2: (2, True, 0),
        3: (2, True, 0),
    }
    assert _by_minute(scenario, "trades::INT AS trades, is_final, revision", "ETHUSDT") == dict.fromkeys(
        range(240, 244), (2, False, 0)
    )
    # ETHUSDT 8 at minute 243.5 and 8 microseconds, ten minutes before: old rows in the last batch did not move it back.
    watermark = newest_stamp(scenario.catalog.load_table(SILVER.identifier), WATERMARK)
    assert watermark == str(microseconds(START + timedelta(minutes=233.5, microseconds=8)))
    scenario.require_proven()


def test_a_trade_at_the_watermark_is_not_late_and_one_a_microsecond_before_it_is(scenario: Scenario) -> None:
    at = microseconds(START + timedelta(minutes=10))
    scenario.send(trade(1, 20, trade_time=at + 600_000_000))
    scenario.run()
    scenario.send(trade(2, 20, trade_time=at), trade(3, 20, trade_time=at - 1))
    scenario.run()
    scenario.stop()
    assert [(audit.rows_out, audit.late_rows) for audit in scenario.audits] == [(1, 0), (2, 1)]
    assert scenario.query("SELECT sum(late_rows)::INT AS late FROM ops_audit") == [{"late": 1}]
    scenario.require_proven()


def test_duplicates_and_conflicts_of_trades_weeks_old_are_found_by_their_ids_after_a_restart(
    scenario: Scenario,
) -> None:
    old = trades(1, 6)
    scenario.send(*old, *trades(7, 10, minute=THREE_WEEKS))
    scenario.run(rows_a_batch=6)
    gold = scenario.gold()
    now = microseconds(START + timedelta(minutes=THREE_WEEKS + 3))
    for messages in (
        [{**message, "source": "archive", "received_at": now, "event_time": None} for message in old],
        # With a time of now only the id says that it is known: a MERGE around that time would insert it again.
        [trade(3, THREE_WEEKS + 1)],
        [trade(4, 1.5, price="9")],
    ):
        scenario.stop()
        scenario.send(*messages)
        scenario.run()
    scenario.stop()
    audits = scenario.audits[2:]
    assert [(audit.rows_out, audit.duplicates, audit.conflicts) for audit in audits] == [
        (0, 6, 0),
        (0, 0, 1),
        (0, 0, 1),
    ]
    assert [audit.late_rows for audit in audits] == [0, 0, 0]
    assert scenario.query("SELECT agg_id FROM crypto_silver_trades ORDER BY 1") == [{"agg_id": i} for i in range(1, 11)]
    assert scenario.gold() == gold
    assert scenario.query("SELECT max(revision) AS revision FROM crypto_gold_minute") == [{"revision": 0}]
    scenario.require_proven()


def test_a_trade_three_weeks_late_lands_in_its_hour_and_completes_the_minute_that_waited_for_it(
    scenario: Scenario,
) -> None:
    later = [trade(4, THREE_WEEKS), trade(5, THREE_WEEKS + 1), trade(6, THREE_WEEKS + 30)]
    scenario.send(trade(1, 0), trade(2, 0.5), *later)
    scenario.run()
    scenario.stop()
    waiting = _by_minute(scenario, "trades::INT AS trades, is_complete, is_final, revision")
    assert waiting[THREE_WEEKS] == (1, False, True, 0)
    scenario.send(trade(3, 0.75))
    scenario.run()
    scenario.stop()
    assert (scenario.audits[1].rows_out, scenario.audits[1].late_rows) == (1, 1)
    assert scenario.query("SELECT epoch_us(dt_hour) AS hour FROM crypto_silver_trades WHERE agg_id = 3") == [
        {"hour": microseconds(START.replace(minute=0))}
    ]
    assert _by_minute(scenario, "trades::INT AS trades, is_complete, is_final, revision") == {
        0: (3, False, True, 1),
        THREE_WEEKS: (1, True, True, 1),
        THREE_WEEKS + 1: (1, True, True, 0),
        THREE_WEEKS + 30: (1, True, False, 0),
    }
    scenario.require_proven()


def test_a_changed_final_minute_is_revised_with_the_5_and_30_minutes_after_it_and_an_open_one_is_not(
    scenario: Scenario,
) -> None:
    # One trade a minute, 100 each, from 09:40 to 10:39; id 7, of minute 5, is missing.
    calm = [trade(minute + (1 if minute <= 5 else 2), minute, price="100", qty="1") for minute in range(60)]
    scenario.send(*calm)
    scenario.run()
    scenario.stop()
    rolling = "volume_5m, price_ma_30m, return_1m, revision"
    assert _by_minute(scenario, rolling)[9] == (Decimal(5), Decimal(100), Decimal(0), 0)
    scenario.send(trade(7, 5.5, price="130", qty="3"))
    scenario.run()
    found = _by_minute(scenario, rolling)
    by_hand = {
        4: ("5", "100", "0", 0),
        5: ("8", "105", "0.3", 1),  # 4 x 1 + 4; (5 x 100 + 130) / 6; 130 / 100 - 1
        6: ("8", "104.28571429", "-0.23076923", 1),  # (6 x 100 + 130) / 7; 100 / 130 - 1
        9: ("8", "103", "0", 1),  # (9 x 100 + 130) / 10
        10: ("5", "102.72727273", "0", 1),  # (10 x 100 + 130) / 11
        34: ("5", "101", "0", 1),  # (29 x 100 + 130) / 30
        35: ("5", "100", "0", 1),  # its spike scores look back to minute 5
        36: ("5", "100", "0", 0),
    }
    for minute, (volume_5m, price_ma_30m, return_1m, revision) in by_hand.items():
        expected = (Decimal(volume_5m), Decimal(price_ma_30m), Decimal(return_1m), revision)
        assert found[minute] == expected, minute
    assert {minute for minute, row in found.items() if row[3] == 1} == set(range(5, 36))
    (score,) = _by_minute(scenario, "volume_spike_score")[35]
    assert score == Decimal("0.90909091")  # 1 x 30 / (29 x 1 + 4)
    # Minute 55 is open: the watermark is at 49. It changes, and is not revised.
    scenario.send(trade(62, 55.5, price="100", qty="3"))
    scenario.run()
    scenario.stop()
    assert [audit.late_rows for audit in scenario.audits] == [0, 1, 0]
    changed = _by_minute(scenario, "volume_5m, revision")
    assert [changed[minute] for minute in range(54, 60)] == [(Decimal(5), 0), *[(Decimal(8), 0)] * 5]
    scenario.require_proven()
