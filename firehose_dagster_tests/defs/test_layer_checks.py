"""A layer that fails is red, with those behind it; bronze and what is before it stay green."""

import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES
from firehose_dagster.defs import streams as streams_module
from firehose_dagster.defs.layer_checks import CHECK, LayerReporter, layers_take_batches
from firehose_dagster.defs.resources import FirehoseResource, LakeSparkResource
from firehose_dagster.defs.streams import trade_stream
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import NO_ROWS
from firehose_dagster.streams.host import OnBatch, OnFailure
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.progress import StreamProgress

TABLES = (BRONZE, QUARANTINE, SILVER, GOLD, SPIKES, OPS_AUDIT)


def _passed(instance: dg.DagsterInstance) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for table in TABLES:
        key = dg.AssetCheckKey(dg.AssetKey([table.name]), CHECK)
        (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
        assert record.event is not None
        evaluation = record.event.asset_check_evaluation
        assert evaluation is not None
        found[table.name] = evaluation.passed
    return found


@pytest.mark.parametrize(
    ("table", "red"),
    [
        (SILVER, (SILVER, GOLD, SPIKES, OPS_AUDIT)),
        (GOLD, (GOLD, SPIKES, OPS_AUDIT)),
        (OPS_AUDIT, (OPS_AUDIT,)),
    ],
)
def test_a_failure_is_seen_at_once_and_the_next_batch_takes_it_back(table: Table, red: tuple[Table, ...]) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        reporter = LayerReporter(dg.build_asset_context(instance=instance))
        reporter.failed(LayerFailedError(table, "OSError: no space left on device"))
        assert _passed(instance) == {each.name: each not in red for each in TABLES}
        reporter.took_batch()
        assert all(_passed(instance).values())


def test_the_layer_that_failed_is_red_and_not_one_that_its_error_names() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        reporter = LayerReporter(dg.build_asset_context(instance=instance))
        reporter.failed(LayerFailedError(GOLD, "its snapshot of crypto_silver_trades is gone"))
        assert [name for name, passed in _passed(instance).items() if not passed] == [
            *("crypto_gold_minute", "crypto_spikes", "ops_audit")
        ]


def test_what_the_host_says_of_its_layers_is_what_the_checks_of_its_assets_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []

    def run(
        _: Settings,
        stop: threading.Event,
        *,
        on_batch: OnBatch | None = None,
        on_failure: OnFailure | None = None,
        **__: object,
    ) -> None:
        if on_failure is not None:
            on_failure(LayerFailedError(GOLD, "OSError: full"))
        seen.append([name for name, passed in _passed(instance).items() if not passed])
        if on_batch is not None:
            now = datetime.now(UTC)
            on_batch(NO_ROWS, StreamProgress(pid=1, started_at=now, updated_at=now))
        seen.append([name for name, passed in _passed(instance).items() if not passed])

    monkeypatch.setattr(streams_module, "run_streams", run)
    monkeypatch.setattr(LakeSparkResource, "session", lambda *_: SimpleNamespace(stop=lambda: None))
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [trade_stream],
            instance=instance,
            resources={"firehose": FirehoseResource(home=str(tmp_path)), "spark": LakeSparkResource()},
            run_config={"ops": {"trade_stream": {"config": {"continuous": True}}}},
        )
    assert result.success
    assert seen == [["crypto_gold_minute", "crypto_spikes", "ops_audit"], []]


def test_what_an_earlier_host_left_red_is_green_with_the_first_batch_of_the_next() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        LayerReporter(dg.build_asset_context(instance=instance)).failed(LayerFailedError(SILVER, "OSError: full"))
        LayerReporter(dg.build_asset_context(instance=instance)).took_batch()
        assert all(_passed(instance).values())


def test_the_host_goes_on_where_dagster_takes_no_word_of_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with dg.DagsterInstance.ephemeral() as instance:
        reporter = LayerReporter(dg.build_asset_context(instance=instance))
        with monkeypatch.context() as patched:
            patched.setattr(dg.DagsterInstance, "report_dagster_event", locked)
            reporter.took_batch()
            reporter.failed(LayerFailedError(GOLD, "OSError: full"))
        reporter.took_batch()
        assert all(_passed(instance).values())


def test_without_a_stream_no_layer_is_said_to_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREHOSE_HOME", str(tmp_path))
    job = dg.define_asset_job("checks", selection=dg.AssetSelection.checks(layers_take_batches))
    definitions = dg.Definitions(
        assets=[dg.AssetSpec(table.name) for table in TABLES],
        asset_checks=[layers_take_batches],
        jobs=[job],
        resources={"firehose": FirehoseResource()},
    )
    result = definitions.resolve_job_def("checks").execute_in_process()
    assert [evaluation.passed for evaluation in result.get_asset_check_evaluations()] == [True] * len(TABLES)
