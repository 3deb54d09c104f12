"""A spike event is judged on what silver held when it was raised, and only as far as that can be known."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from firehose_dagster.contracts.position import OFFSETS, ROWS_LOST, Position
from firehose_dagster.contracts.trade_tables import BRONZE
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.judging import failed, settings_of, told, verified
from firehose_dagster_tests.verification.small_lake import TOPIC, Row, SmallLake, append, gold_of, small_lake, write

_CHECK = "spikes_have_their_events"


def _minute_of(lake: SmallLake, event: Row) -> list[Row]:
    """Silver's rows of the event's minute."""
    return [
        row
        for row in lake.silver
        if row["symbol"] == event["symbol"]
        and event["minute"] <= row["event_ts"] < event["minute"] + timedelta(minutes=1)
    ]


def _early_event(lake: SmallLake) -> Row:
    """ALPHA's volume spike of 10:15, as it was told after two of the minute's three trades."""
    event = next(row for row in lake.spikes if row["kind"] == "volume")
    last = _minute_of(lake, event)[2]
    then = next(
        row
        for row in gold_of([row for row in lake.silver if row is not last])
        if (row["symbol"], row["minute"]) == (event["symbol"], event["minute"])
    )
    figures = {name: then[name] for name in ("vwap", "volume", "return_1m")}
    event |= figures | {"price": then["close"], "score": then["volume_spike_score"]}
    return event


def _lose_and_heal(lake: SmallLake, trade: Row) -> None:
    """A tool deleted silver's row, the gateway fetched its trade over REST, reconciliation told the loss."""
    old = next(row for row in lake.bronze if row["kafka_offset"] == trade["kafka_offset"] and row["raw"] is None)
    assert old["kafka_partition"] == trade["kafka_partition"] == 0
    again = {"source": "rest", "kafka_offset": lake.ends[0], "received_at": trade["received_at"] + timedelta(hours=1)}
    lake.bronze.append(old | again | {"kafka_timestamp": again["received_at"]})
    trade |= again
    _read_one_more(lake, 0, "rows_out")
    lake.audit.append(
        lake.audit[0]
        | dict.fromkeys(("rows_in", "dq_pass", "late_rows", "gold_minutes", "spikes", "batch_id"), 0)
        | {"run_id": "lost", "kind": ROWS_LOST, "rows_out": -1, "duplicates": 1}
        | {"offsets_start": None, "offsets_end": None, "detail": '{"offsets": "[]", "bronze_offsets": "[]"}'}
    )


def _read_one_more(lake: SmallLake, partition: int, count: str) -> None:
    """The last batch read one record more."""
    lake.ends[partition] += 1
    batch = lake.stamped_audit[0]
    batch |= {name: batch[name] + 1 for name in ("rows_in", "dq_pass", count)}
    batch["offsets_end"] = lake.position().to_json()


def _figures(tmp_path: Path, lake: SmallLake) -> tuple[object, str, set[str]]:
    report = verified(tmp_path, lake)
    (check,) = (each for each in report.checks if each.name == _CHECK)
    return check.figures.get("recomputed"), told(report), failed(report)


def test_an_event_of_the_minutes_first_trades_is_what_silver_held_then(tmp_path: Path) -> None:
    lake = small_lake()
    _early_event(lake)
    assert _figures(tmp_path, lake) == (3, "", set())


def test_an_event_of_the_minutes_first_trades_with_the_price_of_all_is_wrong(tmp_path: Path) -> None:
    lake = small_lake()
    event = _early_event(lake)
    then, event["price"] = event["price"], _minute_of(lake, event)[2]["price"]
    _, what, checks = _figures(tmp_path, lake)
    assert checks == {_CHECK}
    assert what == f"ALPHA 2026-01-01T10:15Z volume: price {event['price']}, should be {then}"


def test_a_score_of_a_shorter_history_is_no_breach_for_that_can_be_set(tmp_path: Path) -> None:
    lake = small_lake()
    event = next(row for row in lake.spikes if row["kind"] == "price" and row["minute"].minute == 18)
    # The minute before is a spike itself: of a history of it alone, the range of 0.101 divides the same distance.
    before, this = (row for row in lake.gold if row["symbol"] == "BETA" and row["minute"].minute in (17, 18))
    distance = max(this["high"] - before["close"], before["close"] - this["low"])
    event["score"] = (distance / (before["high"] - before["low"])).quantize(Decimal("1e-8"))
    assert _figures(tmp_path, lake) == (3, "", set())


def test_a_minute_with_a_trade_that_was_lost_and_published_again_is_not_judged(tmp_path: Path) -> None:
    lake = small_lake()
    event = next(row for row in lake.spikes if row["kind"] == "volume")
    event["volume"] += 1
    again = _minute_of(lake, event)[1]
    for rows in (lake.silver, lake.bronze):
        next(row for row in rows if row["agg_id"] == again["agg_id"] and row["symbol"] == "ALPHA")["source"] = "replay"
    assert _figures(tmp_path, lake) == (2, "", set())


@pytest.mark.parametrize(("minutes_before", "judged"), [(0, 2), (1, 2), (30, 2), (31, 3)])
def test_a_minute_with_a_trade_that_was_lost_and_healed_over_rest_is_not_judged(
    tmp_path: Path, minutes_before: int, judged: int
) -> None:
    lake = small_lake()
    event = _early_event(lake)
    lost = _minute_of(lake, event | {"minute": event["minute"] - timedelta(minutes=minutes_before)})[1]
    _lose_and_heal(lake, lost)
    assert _figures(tmp_path, lake) == (judged, "", set())


def test_a_trade_that_came_again_and_was_dropped_leaves_its_minute_judged(tmp_path: Path) -> None:
    lake = small_lake()
    event = _early_event(lake)
    first = next(row for row in lake.bronze if row["kafka_offset"] == _minute_of(lake, event)[1]["kafka_offset"])
    lake.bronze.append(first | {"kafka_offset": lake.ends[0]})
    _read_one_more(lake, 0, "duplicates")
    assert _figures(tmp_path, lake) == (3, "", set())


@pytest.mark.parametrize(("minutes_later", "judged"), [(-1, 2), (1, 3)])
def test_of_two_records_of_a_trade_in_two_partitions_the_first_is_the_one_of_the_earlier_time(
    tmp_path: Path, minutes_later: int, judged: int
) -> None:
    lake = small_lake()
    event = _early_event(lake)
    held = _minute_of(lake, event)[1]
    other = next(row for row in lake.bronze if row["kafka_offset"] == held["kafka_offset"])
    at = other["kafka_timestamp"] + timedelta(minutes=minutes_later)
    lake.bronze.append(other | {"kafka_partition": 1, "kafka_offset": lake.ends[1], "kafka_timestamp": at})
    _read_one_more(lake, 1, "duplicates")
    assert _figures(tmp_path, lake) == (judged, "", set())


def test_a_score_is_not_judged_where_an_earlier_minute_got_a_trade_between(tmp_path: Path) -> None:
    lake = small_lake()
    event = next(row for row in lake.spikes if row["kind"] == "volume")
    # The first trade of the minute before comes after the event's last trade: the batch of then may have had it or not.
    late = next(
        row
        for row in lake.silver
        if row["symbol"] == "ALPHA" and row["event_ts"] > event["minute"] - timedelta(minutes=1)
    )
    last = _minute_of(lake, event)[2]
    for rows in (lake.silver, lake.bronze):
        first, second = (
            next(row for row in rows if row["symbol"] == "ALPHA" and row["agg_id"] == each["agg_id"])
            for each in (late, last)
        )
        first["kafka_offset"], second["kafka_offset"] = second["kafka_offset"], first["kafka_offset"]
    event["score"] += 1
    assert _figures(tmp_path, lake)[0] == 2
    event["vwap"] += 1
    assert "vwap" in _figures(tmp_path / "vwap", lake)[1]


def test_an_event_of_a_batch_that_silver_has_not_committed_is_on_its_way(tmp_path: Path) -> None:
    lake = small_lake()
    soon = lake.spikes[0]["minute"] + timedelta(days=1)
    lake.spikes.append(
        lake.spikes[0]
        | {"spike_id": "", "minute": soon, "silver_snapshot_id": 7, "detected_at": datetime(2200, 1, 1, tzinfo=UTC)}
    )
    what = _figures(tmp_path, lake)[1]
    assert "its id is" in what
    assert "no trade" not in what
    lake.spikes[-1]["detected_at"] = datetime(2026, 1, 1, tzinfo=UTC)
    assert "silver has no trade in the minute" in _figures(tmp_path / "committed", lake)[1]


def test_an_event_is_not_judged_while_silver_is_made_anew_and_has_not_come_to_its_minute(tmp_path: Path) -> None:
    lake, settings = small_lake(), settings_of(tmp_path)
    event = lake.spikes[0] | {"spike_id": "", "minute": lake.spikes[0]["minute"] + timedelta(days=1)}
    lake.spikes.append(event)
    write(settings, lake)
    assert "silver has no trade in the minute" in told(verify(settings))
    ahead = lake.bronze[0] | {"kafka_offset": 223, "event_ts": event["minute"], "symbol": event["symbol"]}
    append(settings, BRONZE, [ahead], {OFFSETS: Position(TOPIC, {0: 224, 1: 80}).to_json()})
    assert "silver has no trade in the minute" not in told(verify(settings))
