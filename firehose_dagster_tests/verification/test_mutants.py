"""The verifier is verified: seeded damage of every kind is found, and told by what it is and where."""

import random
from collections.abc import Iterator

import pytest

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.judging import failed, settings_of, told
from firehose_dagster_tests.verification.mutant import Draw
from firehose_dagster_tests.verification.mutants import MUTANTS
from firehose_dagster_tests.verification.small_lake import Row, small_lake, write
from firehose_dagster_tests.verification.stored_lake import StoredLake

SEEDS = range(9)


@pytest.fixture(scope="module")
def one_lake(tmp_path_factory: pytest.TempPathFactory) -> StoredLake:
    settings = settings_of(tmp_path_factory.mktemp("lake"))
    write(settings, small_lake())
    return StoredLake(settings)


@pytest.fixture
def lake(one_lake: StoredLake) -> Iterator[StoredLake]:
    yield one_lake
    one_lake.restore()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", MUTANTS)
def test_a_mutant_is_caught_and_told_with_its_place(kind: str, seed: int, lake: StoredLake) -> None:
    finding = MUTANTS[kind](lake, Draw(kind, seed))
    report = verify(lake.settings)
    assert not report.ok
    assert finding.check in failed(report), (finding, told(report))
    assert finding.told in told(report)


@pytest.mark.parametrize("seed", range(2))
def test_rows_that_merely_lie_in_another_order_are_the_same_lake(seed: int, lake: StoredLake) -> None:
    draw = random.Random(seed)

    def shuffled(rows: list[Row]) -> list[Row]:
        return draw.sample(rows, len(rows))

    for table in (BRONZE, SILVER, QUARANTINE, GOLD, SPIKES, OPS_AUDIT):
        for file in lake.files(table):
            lake.alter(file, shuffled)
    report = verify(lake.settings)
    assert report.ok, told(report)
