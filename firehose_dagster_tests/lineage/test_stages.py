"""What lineage says of the tables is what the contracts and the asset graph say."""

import dagster as dg
import pytest

from firehose_dagster.contracts.message import MESSAGE_FIELDS
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import GOLD, GOLD_PROVENANCE_COLUMNS, SILVER
from firehose_dagster.defs.sources import TOPIC_KEY
from firehose_dagster.defs.streams import TABLE_BY_KEY, trade_stream
from firehose_dagster.lineage.stages import STAGES, TOPIC, Stage
from firehose_dagster_tests.lineage.examples import Figures

COLUMNS = {TOPIC: set(MESSAGE_FIELDS), **{table.name: set(table.column_names) for table in TABLES}}


def key(dataset: str) -> dg.AssetKey:
    return TOPIC_KEY if dataset == TOPIC else dg.AssetKey([dataset])


def test_there_is_a_stage_for_each_table_that_the_stream_writes() -> None:
    assert [stage.output for stage in STAGES] == list(TABLE_BY_KEY.values())


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.output.name)
def test_a_stage_has_the_inputs_that_the_asset_graph_has(stage: Stage) -> None:
    (spec,) = [spec for spec in trade_stream.specs if spec.key == key(stage.output.name)]
    assert {dependency.asset_key for dependency in spec.deps} == {key(name) for name in stage.inputs}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.output.name)
def test_columns_come_from_columns_that_there_are(stage: Stage) -> None:
    assert stage.columns.keys() <= set(stage.output.column_names)
    for column, origin in stage.columns.items():
        assert origin.dataset in stage.inputs
        assert set(origin.columns) <= COLUMNS[origin.dataset], column


def test_each_stage_counts_the_rows_of_its_own_first_input_and_of_its_output() -> None:
    batch = Figures(rows_in=100, rows_out=60, dq_pass=90, dq_fail=10, gold_minutes=7, spikes=2)
    assert {stage.output.name: (stage.rows_read(batch), stage.rows_written(batch)) for stage in STAGES} == {
        "crypto_bronze_aggtrade": (100, 100),
        "crypto_silver_trades": (90, 60),
        "crypto_quarantine": (10, 10),
        "crypto_gold_minute": (60, 7),
        "crypto_spikes": (7, 2),
        "ops_audit": (100, 1),
    }


@pytest.mark.parametrize(
    ("table", "without_origin"),
    [(SILVER, set()), (GOLD, set(GOLD_PROVENANCE_COLUMNS))],
    ids=lambda each: each.name if isinstance(each, Table) else "",
)
def test_of_silver_and_gold_every_column_has_its_origin(table: Table, without_origin: set[str]) -> None:
    (stage,) = [stage for stage in STAGES if stage.output is table]
    assert set(table.column_names) - stage.columns.keys() == without_origin
