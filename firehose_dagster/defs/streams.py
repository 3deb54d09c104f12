"""The layers as one multi-asset: its run hosts the streaming query, or catches up, or waits for the one that runs."""

import threading
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager

import dagster as dg
from pyspark.sql import SparkSession

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES
from firehose_dagster.defs.layer_checks import LayerReporter
from firehose_dagster.defs.resources import FirehoseResource, LakeSparkResource
from firehose_dagster.defs.run_process import hold_run
from firehose_dagster.defs.run_watch import RunWatch
from firehose_dagster.defs.sources import TOPIC_KEY
from firehose_dagster.defs.stream_reports import StreamReporter, table_report
from firehose_dagster.defs.table_metadata import asset_spec
from firehose_dagster.defs.telling import told_if_possible
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.trouble import explained
from firehose_dagster.lineage.switch import stream_lineage
from firehose_dagster.local.dagster_runs import STREAMS_JOB
from firehose_dagster.log_files import log_to_file
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import BatchAudit
from firehose_dagster.streams.catch_up import wait_until_passed
from firehose_dagster.streams.host import run_streams
from firehose_dagster.streams.jvm_death import jvm_death_explained
from firehose_dagster.streams.lease import lease_is_held, refuse_if_held
from firehose_dagster.streams.progress import StreamProgress

_SPARK = {"spark", "iceberg"}
_DRIVER = {"python", "iceberg"}

_LAYERS: tuple[tuple[Table, tuple[Table, ...], str, set[str], bool], ...] = (
    (BRONZE, (), "bronze", _SPARK, True),
    (SILVER, (BRONZE,), "silver", _SPARK, True),
    (QUARANTINE, (BRONZE,), "quarantine", _SPARK, False),
    (GOLD, (SILVER,), "gold", _DRIVER, True),
    (SPIKES, (GOLD,), "gold", _DRIVER, False),
    (OPS_AUDIT, (BRONZE, SILVER, QUARANTINE, GOLD), "operations", _DRIVER, True),
)
"""Table, what it is made from (nothing: the topic), group, kinds, whether it is late when not written for minutes."""

TABLE_BY_KEY = {dg.AssetKey([table.name]): table for table, *_ in _LAYERS}


def _specs() -> list[dg.AssetSpec]:
    # Made by a function: a spec that stands in a module by itself is loaded as an external asset.
    return [
        asset_spec(
            table,
            deps=[dg.AssetKey([source.name]) for source in sources] or [TOPIC_KEY],
            group=group,
            kinds=kinds,
            is_streamed=is_streamed,
        ).replace_attributes(skippable=True)
        for table, sources, group, kinds, is_streamed in _LAYERS
    ]


class StreamConfig(dg.Config):
    """How long the run goes on."""

    continuous: bool = False
    """False: to the topic's end as it is now. True: until terminated; the job `streams` sets it."""


@dg.multi_asset(
    name="trade_stream",
    specs=_specs(),
    can_subset=True,
    description=(
        "One pass over the topic. Materialize: where no stream runs, it is taken to the topic's end; where one runs, "
        "this waits until it took the topic as it is now into all layers, and reports; it fails where a layer does."
    ),
)
def trade_stream(
    context: dg.AssetExecutionContext, config: StreamConfig, firehose: FirehoseResource, spark: LakeSparkResource
) -> Iterator[dg.MaterializeResult[None]]:
    settings = firehose.settings()
    log_to_file(settings, "streams")
    with told_if_possible("which process works on the run"):
        hold_run(settings, context.job_name, context.run.run_id)
    if not config.continuous and lease_is_held(settings):
        context.log.info("a stream runs on this lake: waiting until it took the topic as it is now into all layers")
        wait_until_passed(settings, threading.Event())
    else:
        _host(context, config, settings, spark)
    catalog = open_catalog(settings)
    for key, table in _in_order(context.selected_asset_keys).items():
        yield dg.MaterializeResult(asset_key=key, metadata=table_report(catalog, table))


def _host(
    context: dg.AssetExecutionContext, config: StreamConfig, settings: Settings, spark: LakeSparkResource
) -> None:
    with explained(settings):
        catalog = open_catalog(settings)
        create_tables(catalog)
    reporter = StreamReporter(context, catalog, _in_order(context.selected_asset_keys) if config.continuous else {})
    watch = RunWatch(context.instance, context.run.run_id)
    layers = LayerReporter(context)
    stop = threading.Event()

    def on_watch() -> None:
        reporter.report_if_due()
        if watch.is_over():
            stop.set()

    # Before a JVM is started for nothing.
    refuse_if_held(settings)
    session = spark.session(settings)
    with (
        jvm_death_explained(session),
        _stopped_at_the_end(session),
        stream_lineage(settings, context.run.run_id) as tell,
    ):

        def on_batch(batch: BatchAudit, progress: StreamProgress) -> None:
            reporter.add(batch, progress)
            layers.took_batch()
            tell(batch)

        run_streams(
            settings,
            stop,
            until_caught_up=not config.continuous,
            on_batch=on_batch,
            on_failure=layers.failed,
            session=session,
            owner=f"Dagster run {context.run.run_id}",
            on_watch=on_watch,
        )
    watch.end_as_told()


@contextmanager
def _stopped_at_the_end(session: SparkSession) -> Iterator[None]:
    try:
        yield
    finally:
        session.stop()


def _in_order(keys: AbstractSet[dg.AssetKey]) -> dict[dg.AssetKey, Table]:
    """The layers among the keys, each behind what it is made from: a later event upstream reads as stale."""
    return {key: table for key, table in TABLE_BY_KEY.items() if key in keys}


streams = dg.define_asset_job(
    STREAMS_JOB,
    selection=dg.AssetSelection.assets(*TABLE_BY_KEY),
    config=dg.RunConfig(ops={"trade_stream": StreamConfig(continuous=True)}),
    executor_def=dg.in_process_executor,
    description="Hosts the streaming query until it is terminated. Kept alive by `streams_keep_alive`.",
)
