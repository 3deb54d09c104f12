"""The same damage to a lake that the stream's pass filled and compaction rewrote: it is found there, too."""

import gc
from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.maintenance.compaction import rewrite_commit
from firehose_dagster.maintenance.compaction.table_compaction import compact
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.streams.scenario import Message, new_scenario, trade
from firehose_dagster_tests.verification.judging import failed, settings_of, told
from firehose_dagster_tests.verification.mutant import Draw
from firehose_dagster_tests.verification.mutants import MUTANTS
from firehose_dagster_tests.verification.stored_lake import StoredLake

pytestmark = [pytest.mark.spark, pytest.mark.slow]

_MINUTES = 32
_MINUTES_A_BATCH = 4


def _minute(minute: int) -> list[tuple[int, Message | bytes]]:
    """Partition and record: BTC thrice a minute, at 10:05 ten times as much; ETH twice, at 10:09 a tenth dearer."""
    sent: list[tuple[int, Message | bytes]] = []
    for number in range(3):
        qty = "10" if minute == 25 else "1"
        at = minute + number / 4
        sent.append((0, trade(minute * 3 + number + 1, at, qty=qty, price=f"{100 + number}.5")))
    for number in range(2):
        price = f"{(110 if minute == 29 else 100) + number / 10:.2f}"
        sent.append((1, trade(minute * 2 + number + 1, minute + number / 4, "ETHUSDT", price=price)))
    if minute == 6:
        # A duplicate, a conflict, a trade without a price, and no trade at all.
        known = trade(2, 1 / 4, qty="1", price="101.5")
        sent += [(0, known), (0, known | {"price": "7.00"}), (0, trade(99_999, 6, price="0.00")), (1, b"no trade")]
    return sent


@pytest.fixture(scope="module")
def one_lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoredLake]:
    settings = settings_of(tmp_path_factory.mktemp("home"))
    scenario = new_scenario(spark, settings)
    sent = [_minute(minute) for minute in range(_MINUTES)]
    # Three hours later, so that the hours before are closed.
    sent += [[(0, trade(_MINUTES * 3 + 1, 180, qty="1"))]]
    for first in range(0, len(sent), _MINUTES_A_BATCH):
        for partition, record in (each for minute in sent[first : first + _MINUTES_A_BATCH] for each in minute):
            scenario.send(record, partition=partition)
        scenario.run()
    scenario.stop()
    scenario.require_proven()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewrite_commit, "_BUSY_WITHIN_SECONDS", 0.0)
        reports = {table.name: compact(settings, table) for table in TABLES}
    assert reports[BRONZE.name].rewritten
    assert reports[SILVER.name].rewritten
    scenario.require_proven()
    yield StoredLake(settings)
    gc.collect()  # here, where the sockets that py4j left are expected


@pytest.fixture
def lake(one_lake: StoredLake) -> Iterator[StoredLake]:
    yield one_lake
    one_lake.restore()


def test_the_lake_has_spikes_that_are_recomputed(lake: StoredLake) -> None:
    (check,) = (each for each in verify(lake.settings).checks if each.name == "spikes_have_their_events")
    assert check.figures["recomputed"] == check.figures["events"]
    assert check.figures["events"] != 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", MUTANTS)
def test_a_mutant_of_what_the_stream_wrote_is_caught_and_told_with_its_place(
    kind: str, seed: int, lake: StoredLake
) -> None:
    finding = MUTANTS[kind](lake, Draw(kind, seed))
    report = verify(lake.settings)
    assert not report.ok
    assert finding.check in failed(report), (finding, told(report))
    assert finding.told in told(report)
