"""The gateway as a long-running Dagster run: the producer of the topic."""

import threading
import time
from collections.abc import Mapping

import dagster as dg

from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.run_watch import RunWatch
from firehose_dagster.defs.sources import TOPIC_KEY
from firehose_dagster.defs.table_metadata import MetadataEntry
from firehose_dagster.gateway.process import run_gateway
from firehose_dagster.gateway.status import GatewayStatus
from firehose_dagster.lineage.switch import gateway_lineage
from firehose_dagster.local.dagster_runs import GATEWAY_JOB
from firehose_dagster.log_files import log_to_file

_REPORT_EVERY_SECONDS = 60.0
_WATCH_SECONDS = 0.5


@dg.op(description="Collects trades into the topic until it is terminated; then flushes and ends.")
def collect_trades(context: dg.OpExecutionContext, firehose: FirehoseResource) -> None:
    settings = firehose.settings()
    log_to_file(settings, "gateway")
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
    reported_at = time.monotonic()
    first_report = True
    try:
        while worker.is_alive() and not watch.is_over():
            worker.join(_WATCH_SECONDS)
            due = time.monotonic() - reported_at >= _REPORT_EVERY_SECONDS
            if newest and newest[0].delivered and (due or first_report):
                # An observation: a materialization would call bronze stale, each minute, until its own.
                context.log_event(dg.AssetObservation(TOPIC_KEY, metadata=_metadata(newest[0])))
                reported_at, first_report = time.monotonic(), False
    finally:
        stop.set()
        worker.join()
    if failure:
        raise failure[0]


@dg.job(
    name=GATEWAY_JOB,
    executor_def=dg.in_process_executor,
    description="WebSocket to Kafka, with every gap healed by REST. Kept alive by `gateway_keep_alive`.",
)
def gateway() -> None:
    collect_trades()


def _metadata(status: GatewayStatus) -> Mapping[str, MetadataEntry]:
    return {
        "trades received": status.trades,
        "records delivered": status.delivered,
        "symbols": status.symbols,
        "gaps found": status.gaps_found,
        "ids waiting to be healed": status.missing_ids,
        "ids healed": status.healed_ids,
        "ids absent at the exchange": status.absent_ids,
        "frames unparsable": status.unparsable,
        "reconnects": status.reconnects,
        "newest trade": status.last_trade_at.isoformat() if status.last_trade_at else "none",
        "since": status.started_at.isoformat(),
    }
