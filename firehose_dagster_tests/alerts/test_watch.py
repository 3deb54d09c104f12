from datetime import UTC, datetime, timedelta

import pytest

from firehose_dagster.alerts.delivery import SpikeKey
from firehose_dagster.alerts.ledger import LedgerPosition
from firehose_dagster.alerts.outbox import Attempt
from firehose_dagster.alerts.watch import Cursor, attempts_digest, has_work

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POSITION = LedgerPosition(1, None)


def test_nothing_added_and_nothing_due_is_no_work() -> None:
    assert not has_work(Cursor.at(POSITION, None), POSITION, NOW)
    assert not has_work(Cursor.at(POSITION, NOW + timedelta(microseconds=1)), POSITION, NOW)


def test_a_new_snapshot_or_a_due_time_is_work() -> None:
    assert has_work(Cursor.at(POSITION, None), LedgerPosition(2, None), NOW)
    assert has_work(Cursor.at(POSITION, None), LedgerPosition(1, 1), NOW)
    assert has_work(Cursor.at(POSITION, NOW), POSITION, NOW)


@pytest.mark.parametrize("cursor", [None, "", "7", '{"spikes_snapshot_id": "x"}'])
def test_a_cursor_that_says_nothing_usable_is_work(cursor: str | None) -> None:
    assert has_work(cursor, POSITION, NOW)


def test_the_digest_names_spikes_and_attempt_numbers_in_any_order() -> None:
    first = Attempt(SpikeKey("a", "A", NOW, "price"), 1, is_last=False)
    second = Attempt(SpikeKey("b", "A", NOW, "price"), 1, is_last=False)
    again = Attempt(SpikeKey("b", "A", NOW, "price"), 2, is_last=False)
    assert attempts_digest([first, second]) == attempts_digest([second, first])
    assert attempts_digest([first, second]) != attempts_digest([first, again])
