import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firehose_dagster.alerts.delivery import Delivery
from firehose_dagster.alerts.ledger import Ledger, LedgerError
from firehose_dagster.alerts.replay import ReplayError, replay
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster_tests.alerts.examples import SPIKE, append_spikes, made_lake, spike_of, this_minute


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return made_lake(tmp_path, port=1)


@pytest.fixture
def ledger(settings: Settings) -> Ledger:
    return Ledger(open_catalog(settings))


def _delivery(attempt: int = 1, at: datetime | None = None) -> Delivery:
    return Delivery(SPIKE.key, attempt, "failed", 500, "no", at or datetime.now(UTC), 12, "run")


def test_a_lake_without_tables_is_a_ledger_error_that_names_the_table(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"crypto\.crypto_spikes is not there yet"):
        Ledger(open_catalog(Settings(home=tmp_path))).position()


def test_what_is_appended_is_read_back_equal(ledger: Ledger) -> None:
    before = ledger.position()
    ledger.append([_delivery(1), _delivery(2)])
    now = datetime.now(UTC)
    assert sorted(row.attempt for row in ledger.recent_deliveries(now)) == [1, 2]
    assert ledger.deliveries_of([SPIKE.spike_id, "' or 1=1"]) == ledger.recent_deliveries(now)
    assert ledger.position() != before


def test_nothing_to_append_makes_no_commit(ledger: Ledger) -> None:
    before = ledger.position()
    ledger.append([])
    assert ledger.position() == before


def test_spikes_detected_lately_are_found_whatever_minute_they_are_of(settings: Settings, ledger: Ledger) -> None:
    old_minute = spike_of("BTCUSDT", datetime(2021, 5, 19, tzinfo=UTC))
    detected_long_ago = spike_of("ETHUSDT", this_minute(), detected_at=datetime.now(UTC) - timedelta(days=3))
    append_spikes(settings, [old_minute, detected_long_ago])
    assert ledger.recent_spikes(datetime.now(UTC)) == [old_minute.key]
    append_spikes(settings, [spike_of("XRPUSDT", this_minute())])
    assert {key.symbol for key in ledger.recent_spikes(datetime.now(UTC))} == {"BTCUSDT", "XRPUSDT"}


def test_full_rows_come_back_by_id(settings: Settings, ledger: Ledger) -> None:
    append_spikes(settings, [SPIKE, spike_of("ETHUSDT", this_minute())])
    absent = spike_of("XRPUSDT", this_minute())
    # A person who starts the job may name anything.
    odd = replace(SPIKE.key, spike_id="""it's "so" or 1=1""")
    assert ledger.spikes([SPIKE.key, absent.key, odd]) == {SPIKE.spike_id: SPIKE}
    assert ledger.spikes([]) == {}


def test_writers_at_the_same_time_all_land(settings: Settings) -> None:
    def write(first: int) -> None:
        own = Ledger(open_catalog(settings))
        for attempt in range(first, first + 5):
            own.append([_delivery(attempt)])

    writers = [threading.Thread(target=write, args=(first,)) for first in (1, 6, 11)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rows = Ledger(open_catalog(settings)).deliveries_of([SPIKE.spike_id])
    assert sorted(row.attempt for row in rows) == list(range(1, 16))


def test_replay_writes_a_row_that_makes_the_spike_due(settings: Settings, ledger: Ledger) -> None:
    ledger.append([_delivery(1, datetime.now(UTC) - timedelta(days=30))])
    assert replay(settings, [SPIKE.spike_id]) == 1
    assert [(row.attempt, row.outcome) for row in ledger.recent_deliveries(datetime.now(UTC))] == [(2, "replay")]
    with pytest.raises(ReplayError, match="never attempted"):
        replay(settings, ["spike_of_nobody"])


def test_a_replay_where_there_is_no_lake_says_so_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=f"there is no lake in {tmp_path}"):
        replay(Settings(home=tmp_path), [SPIKE.spike_id])
    assert list(tmp_path.iterdir()) == []


def test_a_replay_whose_catalog_does_not_answer_names_the_setting(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, catalog_uri="http://127.0.0.1:9/", warehouse="s3://lake/warehouse")
    with pytest.raises(LedgerError, match="FIREHOSE_CATALOG_URI"):
        replay(settings, [SPIKE.spike_id])
