"""The gateway as a long-running Dagster run: the producer of the topic."""

import threading
import time
from collections.abc import Mapping

import dagster as dg

from firehose_dagster.defs.report_pace import ReportPace
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.run_process import hold_run
from firehose_dagster.defs.run_watch import RunWatch
from firehose_dagster.defs.sources import TOPIC_KEY
from firehose_dagster.defs.table_metadata import MetadataEntry
from firehose_dagster.defs.telling import told_if_possible
from firehose_dagster.gateway.process import run_gateway
from firehose_dagster.gateway.status import GatewayStatus
from firehose_dagster.lineage.switch import gateway_lineage
from firehose_dagster.local.dagster_runs import GATEWAY_JOB
from firehose_dagster.log_files import log_to_file

_WATCH_SECONDS = 0.5


@dg.op(description="Collects trades into the topic until it is terminated; then flushes and ends.")
def collect_trades(context: dg.OpExecutionContext, firehose: FirehoseResource) -> None:
    settings = firehose.settings()
    log_to_file(settings, "gateway")
    with told_if_possible("which process works on the run"):
        hold_run(settings, context.job_name, context.run_id)
    stop = threading.Event()
    newest: list[GatewayStatus] = []
    failure: list[BaseException] = []

    def collect() -> None:
        try:
            with gateway_lineage(settings, context.run_id) as tell:

                def on_status(status: GatewayStatus) -> None:
                    newest[:] = [status]
                    tell(status.delivered)

                run_gateway(settings, stop, on_status)
        except BaseException as error:  # noqa: BLE001 - handed to the step's own thread, which raises it
            failure.append(error)

    # The step's own thread stays free to be interrupted by Terminate, and the gateway is never cut off by it.
    worker = threading.Thread(target=collect, name="gateway")
    worker.start()
    watch = RunWatch(context.instance, context.run_id)
    pace = ReportPace()
    try:
        while worker.is_alive() and not watch.is_over():
            worker.join(_WATCH_SECONDS)
            if newest and newest[0].delivered and pace.is_due(time.monotonic()):
                # An observation: a materialization would call bronze stale until its own.
                with told_if_possible("the health of the feed"):
                    context.log_event(dg.AssetObservation(TOPIC_KEY, metadata=feed_metadata(newest[0])))
                pace.reported(time.monotonic())
    finally:
        stop.set()
        worker.join()
    if failure:
        raise failure[0]
    watch.end_as_told()


@dg.job(
    name=GATEWAY_JOB,
    executor_def=dg.in_process_executor,
    description="WebSocket to Kafka, with every gap healed by REST. Kept alive by `gateway_keep_alive`.",
)
def gateway() -> None:
    collect_trades()


def feed_metadata(status: GatewayStatus) -> Mapping[str, MetadataEntry]:
    """Whether the feed is healthy: what should be open, what is missing, what it cost to keep up; since its start."""
    return {
        "connections open": f"{status.connections} of {status.connections_planned}",
        "symbols": status.symbols,
        "newest trade": status.last_trade_at.isoformat() if status.last_trade_at else "none",
        "trades received": status.trades,
        "records delivered": status.delivered,
        "records not yet confirmed by Kafka": status.outstanding,
        "trades that Kafka did not take": status.lost,
        "seconds unread because Kafka took nothing": status.full_queue_seconds,
        "gaps found": status.gaps_found,
        "gaps healed": status.gaps_healed,
        "ids waiting to be healed": status.missing_ids,
        "ids that REST does not give": status.unresolved_ids,
        "ids healed": status.healed_ids,
        "ids absent at the exchange": status.absent_ids,
        "frames unparsable": status.unparsable,
        "connections lost and opened again": status.reconnects,
        "connections replaced without a gap": status.rotations,
        "REST calls": status.rest_calls,
        "REST calls about silent symbols": status.probes,
        "most REST weight in a minute": status.highest_weight_used,
        "last error": status.last_error or "none",
        "since": status.started_at.isoformat(),
    }
