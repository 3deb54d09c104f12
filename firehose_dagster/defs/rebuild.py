"""A layer made anew from the one below, launched by a person. The stream must be stopped: the lake has one writer."""

import threading
from typing import Literal

import dagster as dg

from firehose_dagster.defs.resources import FirehoseResource, LakeSparkResource
from firehose_dagster.streams.host import run_streams
from firehose_dagster.streams.lease import refuse_if_held


class RebuildConfig(dg.Config):
    """What to make anew: gold from silver, or silver from bronze and gold with it."""

    layer: Literal["silver", "gold"]


@dg.op(description="Empties the layer and makes it anew, up to the topic's end; earlier snapshots keep the old rows.")
def rebuild_layer(
    context: dg.OpExecutionContext, config: RebuildConfig, firehose: FirehoseResource, spark: LakeSparkResource
) -> None:
    settings = firehose.settings()
    # Before a JVM is started for nothing.
    refuse_if_held(settings)
    session = spark.session(settings)
    try:
        progress = run_streams(
            settings,
            threading.Event(),
            until_caught_up=True,
            session=session,
            owner=f"Dagster run {context.run.run_id}",
            rebuild=config.layer,
        )
    finally:
        session.stop()
    context.add_output_metadata({"rows to silver": progress.silver, "gold minutes": progress.gold_minutes})


@dg.job(
    executor_def=dg.in_process_executor,
    description="Terminate the run of `streams` first (it stays off until started again); then launch this.",
)
def rebuild() -> None:
    rebuild_layer()
