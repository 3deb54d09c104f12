"""The pass over hand-made batches: what lands where, and that the oracle proves it."""

from datetime import UTC, datetime

import pytest

from firehose_dagster_tests.streams.scenario import Scenario, microseconds, trade, trades
from firehose_dagster_tests.transforms.bad_messages import BAD_MESSAGES

pytestmark = pytest.mark.spark


def test_valid_trades_land_in_bronze_silver_and_gold_and_the_audit_says_so(scenario: Scenario) -> None:
    scenario.send(*trades(1, 6))
    scenario.run()
    scenario.stop()
    assert scenario.count("crypto_bronze_aggtrade") == 6
    assert scenario.query("SELECT agg_id FROM crypto_silver_trades ORDER BY agg_id") == [
        {"agg_id": agg_id} for agg_id in range(1, 7)
    ]
    assert [(row["trades"], row["first_agg_id"]) for row in scenario.gold()] == [(2, 1), (2, 3), (2, 5)]
    (audit,) = scenario.audits
    assert (audit.rows_in, audit.rows_out, audit.dq_pass, audit.dq_fail, audit.duplicates) == (6, 6, 6, 0, 0)
    assert (audit.gold_minutes, audit.spikes) == (3, 0)
    assert scenario.count("ops_audit") == 1
    scenario.require_proven()


def test_the_lag_is_that_of_the_row_that_waited_longest_in_milliseconds(scenario: Scenario) -> None:
    longest = trade(1)
    scenario.send(longest, trade(2, received_at=longest["received_at"] + 7_000_000))
    before = datetime.now(UTC)
    scenario.run()
    after = datetime.now(UTC)
    (audit,) = scenario.audits
    assert audit.max_lag_ms is not None
    waited = [(microseconds(moment) - longest["received_at"]) // 1_000 for moment in (before, after)]
    assert waited[0] <= audit.max_lag_ms <= waited[1]


def test_the_same_id_with_other_content_is_quarantined_and_the_first_stays(scenario: Scenario) -> None:
    scenario.send(*trades(1, 3), trade(2, price="999"))
    scenario.run()
    scenario.send(trade(3, 1, qty="7"))
    scenario.run()
    scenario.stop()
    assert scenario.quarantined() == [(3, ["same_id_has_same_content"]), (4, ["same_id_has_same_content"])]
    assert [audit.conflicts for audit in scenario.audits] == [1, 1]
    assert [dict(audit.dq_fail_by_rule) for audit in scenario.audits] == [{"same_id_has_same_content": 1}] * 2
    assert scenario.query("SELECT price::VARCHAR AS price FROM crypto_silver_trades WHERE agg_id = 2") == [
        {"price": "102.02000000"}
    ]
    scenario.require_proven()


def test_a_conflict_with_a_later_time_than_any_held_does_not_move_the_watermark(scenario: Scenario) -> None:
    scenario.send(*trades(1, 6))
    scenario.run()
    scenario.send(trade(6, 200, price="1"), trade(7, 3))
    scenario.run()
    scenario.stop()
    assert [row["is_final"] for row in scenario.gold()] == [False] * 4
    scenario.require_proven()


def test_exact_duplicates_are_counted_within_a_batch_and_across_batches(scenario: Scenario) -> None:
    again = trade(1, source="rest", received_at=trade(1)["received_at"] + 9_000_000, event_time=None)
    scenario.send(*trades(1, 3), trade(3, 1))
    scenario.run()
    scenario.send(again, trade(4, 1.5))
    scenario.run()
    scenario.stop()
    assert [(audit.rows_out, audit.duplicates) for audit in scenario.audits] == [(3, 1), (1, 1)]
    assert scenario.count("crypto_silver_trades") == 4
    assert scenario.count("crypto_quarantine") == 0
    scenario.require_proven()


@pytest.mark.slow
def test_a_batch_of_suspects_of_1200_symbols_is_classified(scenario: Scenario) -> None:
    symbols = [f"S{number:04d}USDT" for number in range(1_200)]
    scenario.send(*(trade(1, symbol=symbol) for symbol in symbols))
    scenario.run()
    scenario.send(*(trade(1, symbol=symbol) for symbol in symbols[1:]), trade(1, symbol=symbols[0], price="7"))
    scenario.run()
    scenario.stop()
    assert [(audit.rows_out, audit.duplicates, audit.conflicts) for audit in scenario.audits] == [
        (1_200, 0, 0),
        (0, 1_199, 1),
    ]
    scenario.require_proven()


def test_a_late_batch_does_not_make_the_ids_above_it_new_again(scenario: Scenario) -> None:
    for message in (trade(1), trade(3, 1), trade(2, 0.5), trade(3, 1)):
        scenario.send(message)
        scenario.run()
    scenario.stop()
    assert [(audit.rows_out, audit.duplicates) for audit in scenario.audits] == [(1, 0), (1, 0), (1, 0), (0, 1)]
    scenario.require_proven()


def test_the_trade_time_counts_to_the_millisecond_only(scenario: Scenario) -> None:
    first = trade(1)
    same_millisecond = first["trade_time"] // 1_000 * 1_000
    scenario.send(first)
    scenario.run()
    scenario.send({**first, "trade_time": same_millisecond}, {**first, "trade_time": same_millisecond + 1_000})
    scenario.run()
    scenario.stop()
    assert (scenario.audits[1].duplicates, scenario.audits[1].conflicts) == (1, 1)
    scenario.require_proven()


def test_each_part_of_a_trades_content_makes_another_trade_of_the_same_id(scenario: Scenario) -> None:
    held = trades(1, 6)
    scenario.send(*held)
    scenario.run()
    others = {
        "price": "99",
        "qty": "9",
        "first_trade_id": held[2]["first_trade_id"] + 1,
        "last_trade_id": held[3]["last_trade_id"] + 1,
        "is_buyer_maker": not held[4]["is_buyer_maker"],
        "trade_time": held[5]["trade_time"] + 1_000,
    }
    for message, (name, value) in zip(held, others.items(), strict=True):
        scenario.send({**message, name: value})
    scenario.run()
    scenario.stop()
    assert (scenario.audits[1].conflicts, scenario.audits[1].duplicates) == (6, 0)
    scenario.require_proven()


def test_the_first_id_of_all_which_is_zero_is_held_like_any_other(scenario: Scenario) -> None:
    scenario.send(trade(0))
    scenario.run()
    scenario.send(trade(0), trade(0, price="7"), trade(1, 0.5))
    scenario.run()
    scenario.stop()
    assert (scenario.audits[1].duplicates, scenario.audits[1].conflicts) == (1, 1)
    scenario.require_proven()


def test_a_late_row_lands_is_counted_and_gold_is_recomputed_30_minutes_ahead(scenario: Scenario) -> None:
    held = [trade(agg_id, agg_id) for agg_id in range(1, 60) if agg_id != 5]
    scenario.send(*held)
    scenario.run()
    before = {row["first_agg_id"]: row for row in scenario.gold()}
    scenario.send(trade(5, 5))
    scenario.run()
    scenario.stop()
    assert scenario.audits[1].late_rows == 1
    after = {row["first_agg_id"]: row for row in scenario.gold()}
    changed = sorted(agg_id for agg_id, row in after.items() if before.get(agg_id) != row)
    assert changed[0] == 5
    assert changed[-1] <= 35
    assert {5, 6, 7, 8, 9, 20, 34} <= set(changed)
    assert (before[6]["is_complete"], after[6]["is_complete"]) == (False, True)
    revisions = scenario.query("SELECT first_agg_id AS id, revision FROM crypto_gold_minute ORDER BY 1")
    assert {row["id"]: row["revision"] for row in revisions} == {
        agg_id: int(agg_id in changed and agg_id != 5) for agg_id in after
    }
    scenario.require_proven()


def test_a_late_duplicate_is_no_late_row(scenario: Scenario) -> None:
    scenario.send(*[trade(agg_id, agg_id) for agg_id in range(1, 30)])
    scenario.run()
    scenario.send(trade(3, 3), trade(4, 4, price="1"))
    scenario.run()
    scenario.stop()
    assert scenario.audits[1].late_rows == 0
    scenario.require_proven()


def test_a_batch_given_again_adds_nothing(scenario: Scenario) -> None:
    scenario.send(*trades(1, 4), b"no trade", trade(2, 0.5))
    scenario.run()
    batch = [(0, offset, value) for offset, value in enumerate(scenario.topic[0])]
    scenario.process(batch)
    scenario.stop()
    scenario.process(batch)
    scenario.stop()
    assert len(scenario.audits) == 1
    assert (scenario.count("crypto_bronze_aggtrade"), scenario.count("crypto_silver_trades")) == (6, 4)
    assert scenario.count("crypto_quarantine") == 1
    scenario.require_proven()


def test_a_symbol_in_two_partitions_of_one_batch_has_one_gold_row_a_minute(scenario: Scenario) -> None:
    scenario.send(trade(1), trade(3), partition=0)
    scenario.send(trade(2), trade(4), partition=1)
    scenario.run()
    scenario.stop()
    assert [(row["trades"], row["is_complete"]) for row in scenario.gold()] == [(4, False)]
    scenario.require_proven()


def test_a_batch_of_rejected_rows_only_moves_the_position(scenario: Scenario) -> None:
    scenario.send(*trades(1, 2))
    scenario.run()
    scenario.send(b"", b"[]")
    scenario.run()
    scenario.kill()
    assert scenario.started().position.offsets == {0: 4}
    scenario.stop()
    assert scenario.quarantined() == [(2, ["message_is_not_empty"]), (3, ["message_is_a_flat_json_object"])]
    scenario.require_proven()


def test_the_largest_possible_id_neither_stops_the_stream_nor_is_lost(scenario: Scenario) -> None:
    largest = trade(2**63 - 1, first_trade_id=1, last_trade_id=1)
    scenario.send(largest)
    scenario.run()
    scenario.send(largest, {**largest, "price": "3"})
    scenario.run()
    scenario.stop()
    assert (scenario.audits[1].duplicates, scenario.audits[1].conflicts) == (1, 1)
    scenario.require_proven()


def test_a_spike_event_knows_the_newest_receipt_behind_it(scenario: Scenario) -> None:
    calm = [trade(agg_id, agg_id, price="100", qty="1") for agg_id in range(1, 13)]
    scenario.send(*calm)
    scenario.run()
    burst = [trade(agg_id, agg_id, price="100", qty="50") for agg_id in range(13, 16)]
    scenario.send(*burst)
    scenario.run()
    scenario.stop()
    rows = scenario.query("SELECT kind, epoch_us(received_at) AS received FROM crypto_spikes ORDER BY minute")
    assert rows == [{"kind": "volume", "received": burst[-1]["received_at"]}] * 3
    assert [audit.spikes for audit in scenario.audits] == [0, 3]
    scenario.require_proven()


def test_bad_input_of_every_kind_is_quarantined_with_its_reasons_and_leaves_the_lake_readable(
    scenario: Scenario,
) -> None:
    scenario.send(*trades(1, 4), *(bad.value for bad in BAD_MESSAGES))
    scenario.run()
    scenario.send(trade(5, 2))
    scenario.run()
    scenario.stop()
    assert scenario.quarantined() == [(4 + place, bad.reasons) for place, bad in enumerate(BAD_MESSAGES)]
    assert [audit.rows_out for audit in scenario.audits] == [4, 1]
    assert scenario.audits[0].dq_fail_by_rule["message_is_not_empty"] == 2
    scenario.require_proven()
