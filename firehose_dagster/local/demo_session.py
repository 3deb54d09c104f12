"""One run of the demo once its processes are up: watch it, know when it is done, end it in the right order."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from firehose_dagster.errors import ExplainedError
from firehose_dagster.local.command_age import seconds_since_start
from firehose_dagster.local.dagster_runs import GATEWAY_JOB, STREAMS_JOB, DagsterRuns
from firehose_dagster.local.demo_options import DemoOptions
from firehose_dagster.local.installation import Installation
from firehose_dagster.local.programs import DAEMON, GATEWAY, RECEIVER, STREAMS
from firehose_dagster.local.progress import exchange_is_finished, read_gateway, read_receiver
from firehose_dagster.local.summary import LiveSummary, Moment
from firehose_dagster.local.topic_ends import TopicEnds
from firehose_dagster.local.unreadable_frame import send_unreadable_frame
from firehose_dagster.settings import Settings
from firehose_dagster.streams.progress import read_progress

_LOGGER = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_SHOW_EVERY_SECONDS = 2.0
_FIRST_TRADE_SECONDS = 300.0
_STALLED_SECONDS = 180.0
_GATEWAY_END_SECONDS = 60.0
_STREAMS_END_SECONDS = 90.0
_ALERTS_SECONDS = 60.0
_ALERTS_QUIET_SECONDS = 20.0
"""An alert is a run of Dagster: sensor, queue and process together take some seconds."""


class DemoStalledError(ExplainedError):
    """Nothing moves though something should."""


class DemoSession:
    """Watches `installation` until the options' end condition. Raises `DemoStalledError` where nothing moves."""

    def __init__(
        self, options: DemoOptions, settings: Settings, installation: Installation, say: Callable[[str], None]
    ) -> None:
        self._options = options
        self._settings = settings
        self._installation = installation
        self._say = say
        self._ends = TopicEnds(settings)
        self._runs = None if options.no_ui else DagsterRuns(settings)
        self._ended_run_ids: tuple[str, ...] = ()
        self._gold_seen = False
        self._shown_at = 0.0

    def run(self, summary: LiveSummary) -> None:
        """Until the end condition; without one, for ever."""
        first = self._observe(summary)
        records_at_start = first.records
        first_trade_at: float | None = None
        finished_and_unchanged_since: float | None = None
        started_at = last_change_at = time.monotonic()
        before = first
        while True:
            time.sleep(_POLL_SECONDS)  # between two looks at another process
            now = self._observe(summary)
            clock = now.read_at_seconds
            if first_trade_at is None and now.records > records_at_start:
                first_trade_at = clock
                self._say(f"first trade in the topic {seconds_since_start():.0f} s after the command")
                if not self._options.has_files and send_unreadable_frame(self._settings):
                    self._say("the simulated exchange also sent a frame that is no trade: see crypto_quarantine")
            if first_trade_at is None and clock - started_at > _FIRST_TRADE_SECONDS and not self._options.has_files:
                raise DemoStalledError(self._why_nothing(now, f"no trade arrived in {_FIRST_TRADE_SECONDS:.0f} s"))
            for_seconds = self._options.for_seconds
            if for_seconds is not None and first_trade_at is not None and clock - first_trade_at >= for_seconds:
                return
            if self._options.until_caught_up:
                if _figures_of(now) != _figures_of(before):
                    last_change_at = clock
                delivered = exchange_is_finished(self._settings) and _is_delivered(now, before)
                finished_and_unchanged_since = (finished_and_unchanged_since or clock) if delivered else None
                settled = finished_and_unchanged_since is not None and clock - finished_and_unchanged_since >= 3.0
                if settled and now.streams is not None and now.ends is not None and now.behind == 0:
                    return
                if clock - last_change_at > _STALLED_SECONDS and exchange_is_finished(self._settings):
                    raise DemoStalledError(self._why_nothing(now, f"nothing moved for {_STALLED_SECONDS:.0f} s"))
            before = now

    def end(self, summary: LiveSummary, *, catch_up: bool) -> Moment:
        """Stop the gateway, let the tables reach the topic's end and the alerts go out, stop the streams."""
        self._end_one(GATEWAY, GATEWAY_JOB, _GATEWAY_END_SECONDS)
        if catch_up:
            self._catch_up(summary)
            self._let_alerts_out(summary)
        if self._runs is not None:
            # No sensor may start anew what is ended now.
            self._installation.stop_program(DAEMON)
        last = self._moment()
        self._end_one(STREAMS, STREAMS_JOB, _STREAMS_END_SECONDS)
        if self._runs is not None:
            self._runs.mark_as_ours(self._ended_run_ids)
        streams = read_progress(self._settings)
        return last if streams is None else replace(last, streams=streams)

    def close(self) -> None:
        """Close the broker connection."""
        self._ends.close()

    def _end_one(self, program: str, job: str, patience_seconds: float) -> None:
        self._say(f"stopping the {program}")
        if self._runs is None:
            self._installation.stop_program(program)
        else:
            self._ended_run_ids += self._runs.end(job, patience_seconds)

    def _catch_up(self, summary: LiveSummary) -> None:
        self._say("waiting for the tables to reach the topic's end")
        last_change_at, before = time.monotonic(), self._observe(summary)
        while before.ends is None or before.behind > 0:
            time.sleep(_POLL_SECONDS)  # between two looks at another process
            now = self._observe(summary)
            if _figures_of(now) != _figures_of(before):
                last_change_at = now.read_at_seconds
            elif now.read_at_seconds - last_change_at > _STALLED_SECONDS:
                raise DemoStalledError(self._why_nothing(now, f"the tables stand still, {now.behind:,} records behind"))
            before = now

    def _let_alerts_out(self, summary: LiveSummary) -> None:
        """The last spikes' webhooks: until all came, or it was quiet for long (old spikes are not sent)."""
        if self._runs is None or read_receiver(self._settings) is None:
            return
        started_at = quiet_since = time.monotonic()
        before = self._observe(summary)
        while before.read_at_seconds - started_at < _ALERTS_SECONDS:
            if before.streams and before.receiver and before.receiver.verified >= before.streams.spikes:
                return
            if before.read_at_seconds - quiet_since >= _ALERTS_QUIET_SECONDS:
                return
            time.sleep(_POLL_SECONDS)  # between two looks at another process
            now = self._observe(summary)
            if now.receiver != before.receiver:
                quiet_since = now.read_at_seconds
            before = now

    def _observe(self, summary: LiveSummary) -> Moment:
        now = self._moment()
        if not self._gold_seen and now.streams is not None and now.streams.gold_minutes > 0:
            self._gold_seen = True
            self._say(f"first gold row {seconds_since_start():.0f} s after the command")
        if now.read_at_seconds - self._shown_at >= _SHOW_EVERY_SECONDS:
            self._shown_at = now.read_at_seconds
            summary.show(now)
        return now

    def _moment(self) -> Moment:
        states = self._installation.states()
        return Moment(
            read_at_seconds=time.monotonic(),
            ends=self._ends.read(),
            gateway=read_gateway(self._settings),
            streams=read_progress(self._settings),
            receiver=read_receiver(self._settings) if RECEIVER in states else None,
            troubled=tuple(name for name, state in states.items() if state.state in {"BACKOFF", "FATAL", "EXITED"}),
        )

    def _why_nothing(self, now: Moment, what: str) -> str:
        hints = [f"not running: {', '.join(now.troubled)}"] if now.troubled else []
        if now.gateway is not None and now.gateway.last_error:
            hints.append(f"the gateway says: {now.gateway.last_error}")
        hints.append(f"logs are in {self._settings.logs_dir}")
        if self._runs is not None:
            hints.append(f"runs are at http://{self._settings.ui_host}:{self._settings.ui_port}/runs")
        return "; ".join((what, *hints))


def _figures_of(moment: Moment) -> tuple[object, ...]:
    """What changes while anything moves; the times of writing are left out."""
    gateway, streams = moment.gateway, moment.streams
    return (
        moment.ends,
        gateway and (gateway.pid, gateway.frames, gateway.delivered),
        streams and (streams.batch_id, streams.offsets),
    )


def _is_delivered(now: Moment, before: Moment) -> bool:
    """Whether the gateway has confirmed all it received, and nothing came since `before`."""
    if now.gateway is None or before.gateway is None or now.ends is None:
        return False
    return (
        now.gateway.outstanding == 0
        and now.gateway.missing_ids == 0
        and (now.gateway.pid, now.gateway.frames) == (before.gateway.pid, before.gateway.frames)
        and now.ends == before.ends
        and sum(now.ends.values()) > 0
    )
