"""The process that delivers killed, twice in a row: every spike is posted, again only under its id, and in order."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from firehose_dagster.alerts.ledger import Ledger
from firehose_dagster.alerts.receiver import Receiver
from firehose_dagster.crash_points import CrashPoint
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster_tests.alerts.examples import (
    SECRET,
    append_spikes,
    free_port,
    made_lake,
    serving,
    spike_of,
    this_minute,
)
from firehose_dagster_tests.defs.killed_alert_run import deliver_all_due

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

POSTED = {
    CrashPoint.ALERT_SELECTED: ("alert-selected", [0, 1, 2, 3]),
    CrashPoint.ALERT_POSTED: ("alert-posted#2", [0, 1, 0, 1, 0, 1, 2, 3]),
    CrashPoint.ALERT_RECORDED: ("alert-recorded", [0, 1, 2, 3]),
}
"""Where each of two runs dies, and what the receiver got in all, by the number of the spike.

Three spikes wait for the first run, a fourth comes before the second.
"""


@contextmanager
def _noting(port: int) -> Iterator[tuple[Receiver, list[str]]]:
    """A receiver, and the ids of the posts in the order in which they came."""
    receiver = Receiver(SECRET, lambda line: None)
    ids: list[str] = []

    @web.middleware
    async def note(request: web.Request, handler: Handler) -> web.StreamResponse:
        ids.append(request.headers["webhook-id"])
        return await handler(request)

    app = receiver.app()
    app.middlewares.append(note)
    with serving(app, port):
        yield receiver, ids


@pytest.mark.parametrize("point", POSTED)
def test_alerts_of_killed_runs_come_in_order_and_again_only_under_the_same_id(
    tmp_path: Path, point: CrashPoint
) -> None:
    crash_at, posted = POSTED[point]
    port = free_port()
    settings = made_lake(tmp_path, port)
    settings.dagster_home.mkdir(parents=True)
    spikes = [spike_of("BTCUSDT", this_minute(ago)) for ago in (5, 4, 3, 2)]
    with _noting(port) as (receiver, ids):
        append_spikes(settings, spikes[:3])
        deliver_all_due(settings, crash_at)
        append_spikes(settings, spikes[3:])
        deliver_all_due(settings, crash_at)
        deliver_all_due(settings)
        assert ids == [spikes[number].spike_id for number in posted]
        assert (receiver.status.verified, receiver.status.refused) == (len(posted), 0)
    rows = Ledger(open_catalog(settings)).recent_deliveries(datetime.now(UTC))
    recorded = sorted((row.key.minute, row.key.spike_id, row.attempt, row.outcome) for row in rows)
    assert recorded == [(spike.minute, spike.spike_id, 1, "delivered") for spike in spikes]
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        left = [record.dagster_run.status for record in instance.get_run_records()]
    # Newest first; where all was recorded before the second death there was nothing left for a third.
    last = [] if point is CrashPoint.ALERT_RECORDED else [dg.DagsterRunStatus.SUCCESS]
    assert left == [*last, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.FAILURE]
