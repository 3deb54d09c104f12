"""Reconciliation: topic against bronze, bronze against silver and quarantine, in the hours that are over.

What is missing is published to the topic again, so that the one writer stays the only one. Nothing is published while
the stream has not taken all that the topic holds: what a run published is taken, and found, before the next publishes.
"""

import logging
import threading
from datetime import UTC, datetime

from filelock import FileLock, Timeout
from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.topic import TopicBounds
from firehose_dagster.errors import ExplainedError
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.completeness.look import hours_over
from firehose_dagster.maintenance.completeness.store import CompletenessStore
from firehose_dagster.maintenance.reconciliation.lake import load_lake
from firehose_dagster.maintenance.reconciliation.memory import KIND, read_memory, state_of
from firehose_dagster.maintenance.reconciliation.outcome import Reconciliation
from firehose_dagster.maintenance.reconciliation.run import OnProgress, ReconciliationRun
from firehose_dagster.maintenance.reconciliation.topic import Topic, records_not_taken, require_same_topic
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 60.0
"""For a running stream to take what the topic holds."""
LOCK_FILE = "reconciliation.lock"
LOOKING_ONLY = "it was asked to look only"


class AnotherReconciliationError(ExplainedError):
    """Two at the same time: each would publish what is missing."""


class ReplayIncompleteError(ExplainedError):
    """Kafka did not confirm all that was to be published; it may have more than it confirmed."""


def reconcile(
    catalog: Catalog,
    settings: Settings,
    topic: Topic,
    *,
    run_id: str,
    dry_run: bool = False,
    is_stream_running: bool,
    stop: threading.Event | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> Reconciliation:
    """Look at what changed since the last run, and publish what is missing; safe to run again at any time.

    Leaves one row in `ops_audit`, and one for each hour of which records are told as lost. `dry_run` leaves only its
    own row. A stream that is running is given a minute to take what the topic holds. Ends early, between two hours,
    where `stop` is set. Raises AnotherReconciliationError, TopicMadeAnewError, ReplayIncompleteError, and what the
    topic raises.
    """
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    stop = stop or threading.Event()
    started_at = datetime.now(UTC)
    try:
        with FileLock(settings.state_dir / LOCK_FILE, timeout=0):
            bounds = topic.bounds()
            require_same_topic(load_lake(catalog), bounds)
            waiting = LOOKING_ONLY if dry_run else _waiting(catalog, bounds, is_stream_running, stop)
            over_before = hours_over(CompletenessStore(catalog), settings) or 0
            run = ReconciliationRun(
                catalog, topic, run_id, over_before, read_memory(catalog), stop, on_progress, waiting
            )
            outcome, memory = run.over(bounds)
            figures = {**outcome.figures, "state": state_of(memory)}
            record(catalog, MaintenanceRecord(f"{run_id}/{KIND}", KIND, started_at, datetime.now(UTC), figures))
    except Timeout:
        raise AnotherReconciliationError("another reconciliation is at work on this home; wait for it") from None
    logger.info(
        "event=reconciled hours_read=%d hours_left=%d missing=%d published=%d holes=%s waiting=%s",
        *(outcome.hours_read, outcome.hours_left, outcome.missing, outcome.published, outcome.holes, outcome.waiting),
    )
    if outcome.unconfirmed:
        raise ReplayIncompleteError(
            f"Kafka did not confirm {outcome.unconfirmed} of the records to publish; see whether the broker works, and "
            "run it again: what the lake holds by then is not published twice"
        )
    return outcome


def _waiting(catalog: Catalog, bounds: TopicBounds, is_stream_running: bool, stop: threading.Event) -> str | None:
    """Why nothing may be published; None where it may."""
    # Without a stream nobody takes anything: there is nothing to wait for.
    patience_seconds = PATIENCE_SECONDS if is_stream_running else 0
    records = records_not_taken(catalog, bounds, patience_seconds, stop)
    return f"the stream has not taken {records} records of the topic yet" if records else None
