"""A commit between two of the stream's is seen at the next one, and by every start behind it."""

import pytest
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.position import OFFSETS, OFFSETS_BEFORE, Position
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, QUARANTINE, SILVER
from firehose_dagster.lake.single_writer import OtherWriterError, require_linked
from firehose_dagster.lake.snapshots import stamp
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.rebuild import empty_for_rebuild
from firehose_dagster_tests.streams.crashed_batches import make_silver_anew
from firehose_dagster_tests.streams.scenario import Scenario, trade, trades


def _at(offset: int) -> str:
    return Position("t", {0: offset}).to_json()


@pytest.mark.parametrize(
    "stamps",
    [
        [],
        [(_at(5), _at(0))],
        [(_at(9), _at(5)), (_at(5), _at(0))],
        [(_at(9), _at(5)), (_at(5), None), (_at(7), _at(1))],
    ],
    ids=["no commit", "the first", "two", "none is judged behind a beginning"],
)
def test_commits_that_follow_each_other_are_one_writers(stamps: list[tuple[str, str | None]]) -> None:
    require_linked(SILVER, stamps)


@pytest.mark.parametrize(
    "stamps",
    [
        [(_at(9), _at(5)), (_at(9), _at(5)), (_at(5), _at(0))],
        [(_at(12), _at(9)), (_at(9), _at(5)), (_at(9), _at(5)), (_at(5), _at(0))],
        [(_at(9), _at(5)), (_at(7), None)],
    ],
    ids=["the newest", "one before", "behind a beginning"],
)
def test_a_commit_from_where_the_table_did_not_stand_any_more_is_another_writers(
    stamps: list[tuple[str, str | None]],
) -> None:
    with pytest.raises(OtherWriterError, match=f"{SILVER.name} stood at .* where a commit was planned from "):
        require_linked(SILVER, stamps)


def test_a_table_that_was_rolled_back_under_the_stream_lacks_rows_and_has_none_twice() -> None:
    with pytest.raises(
        OtherWriterError, match=r"rolled back while the stream ran, and lacks what lies between"
    ) as told:
        require_linked(BRONZE, [(_at(12), _at(9)), (_at(5), _at(0))])
    assert "twice" not in str(told.value)


@pytest.mark.spark
def test_a_second_stack_on_the_same_store_ends_the_batch_and_every_start_until_silver_is_made_anew(
    scenario: Scenario,
) -> None:
    scenario.send(*trades(1, 4))
    scenario.run()
    whole = _current(scenario, BRONZE)
    other = Scenario(scenario.settings, scenario.spark, scenario.catalog, topic={0: [*scenario.topic[0]]})
    for each in (other, scenario):
        each.send(trade(5, 2))
    other.run()
    scenario.send(trade(6, 2.5))
    with pytest.raises(OtherWriterError, match=rf"{BRONZE.name} stood at .*another one came between"):
        scenario.run()
    scenario.kill()
    for _ in range(2):
        with pytest.raises(OtherWriterError, match=rf"{BRONZE.name} stood at .*`firehose rebuild silver`"):
            scenario.started()
    silver = scenario.count("crypto_silver_trades")
    with pytest.raises(OtherWriterError):
        empty_for_rebuild(scenario.spark, scenario.catalog, scenario.settings, "silver")
    assert scenario.count("crypto_silver_trades") == silver > 0, "made anew from bronze as it is, it would be refused"
    # What both brought stands in bronze twice.
    scenario.spark.sql(f"CALL lake.system.rollback_to_snapshot('{BRONZE.identifier}', {whole})")
    make_silver_anew(scenario)
    assert scenario.count("crypto_silver_trades") == 6


@pytest.mark.spark
@pytest.mark.parametrize("table", [QUARANTINE, SILVER], ids=["quarantine", "silver"])
def test_a_commit_that_the_catalog_carried_out_late_ends_the_next_batch(scenario: Scenario, table: Table) -> None:
    scenario.send(*trades(1, 4), b"no trade")
    scenario.run()
    scenario.send(*trades(5, 8, minute=2), b"no trade either")
    scenario.run()
    _carry_out_again(scenario, table)
    scenario.send(trade(9, 4), b"and another one")
    with pytest.raises(LayerFailedError, match=f"OtherWriterError: {table.name} stood at ") as failure:
        scenario.run()
    assert isinstance(failure.value.__cause__, OtherWriterError)
    scenario.kill()
    with pytest.raises(OtherWriterError, match=f"{table.name} stood at "):
        scenario.started()


def _carry_out_again(scenario: Scenario, table: Table) -> None:
    """The newest batch's commit once more, as by a catalog that was thought not to have done it."""
    newest = scenario.catalog.load_table(table.identifier).current_snapshot()
    assert newest is not None
    stamps = {key: text for key in (OFFSETS, OFFSETS_BEFORE) if (text := stamp(newest, key)) is not None}
    assert len(stamps) == 2
    rows = scenario.spark.read.option("start-snapshot-id", newest.parent_snapshot_id).format("iceberg")
    for key, text in stamps.items():
        scenario.spark.conf.set(f"spark.sql.iceberg.snapshot-property.{key}", text)
    rows.load(table.spark_identifier).writeTo(table.spark_identifier).append()
    for key in stamps:
        scenario.spark.conf.unset(f"spark.sql.iceberg.snapshot-property.{key}")


def _current(scenario: Scenario, table: Table) -> int:
    held: IcebergTable = scenario.catalog.load_table(table.identifier)
    snapshot = held.current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id
