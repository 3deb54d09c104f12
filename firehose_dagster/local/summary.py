"""The demo's live summary: one moment of everything, as a table on a terminal and as a line anywhere else."""

import time
from dataclasses import dataclass

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from firehose_dagster.alerts.receiver import ReceiverStatus
from firehose_dagster.gateway.status import GatewayStatus
from firehose_dagster.streams.progress import StreamProgress

_UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Moment:
    """What was read at one time. What could not be read is None."""

    read_at_seconds: float
    """Monotonic."""
    ends: dict[int, int] | None
    gateway: GatewayStatus | None
    streams: StreamProgress | None
    receiver: ReceiverStatus | None
    troubled: tuple[str, ...] = ()
    """Programs that are not running though they should."""

    @property
    def records(self) -> int:
        """Records of the topic."""
        return sum((self.ends or {}).values())

    @property
    def behind(self) -> int:
        """Records that the tables do not hold yet."""
        held = self.streams.offsets if self.streams else {}
        return sum(max(0, end - held.get(partition, 0)) for partition, end in (self.ends or {}).items())


def figures(now: Moment, before: Moment | None) -> dict[str, str]:
    """Label -> value, in the order they are shown."""
    gateway, streams = now.gateway, now.streams
    shown = {
        "trades/s": f"{_rate(now, before):,.0f}",
        "in topic": f"{now.records:,}",
        "behind": f"{now.behind:,}",
        "lag": _UNKNOWN if streams is None or streams.lag_ms is None else f"{streams.lag_ms / 1000:.1f} s",
        "silver": _UNKNOWN if streams is None else f"{streams.silver:,}",
        "quarantine": _UNKNOWN if streams is None else f"{streams.quarantine:,}",
        "duplicates": _UNKNOWN if streams is None else f"{streams.duplicates:,}",
        "gold minutes": _UNKNOWN if streams is None else f"{streams.gold_minutes:,}",
        "spikes": _UNKNOWN if streams is None else f"{streams.spikes:,}",
        "gaps": _UNKNOWN if gateway is None else f"{gateway.gaps_found:,} found, {gateway.missing_ids:,} ids missing",
    }
    if now.receiver is not None:
        shown["webhooks"] = f"{now.receiver.verified:,} verified"
    if now.troubled:
        shown["not running"] = ", ".join(now.troubled)
    if gateway is not None and gateway.last_error:
        shown["gateway says"] = gateway.last_error
    return shown


class LiveSummary:
    """Shows moments as they come. A context manager: it leaves the terminal as it was."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._before: Moment | None = None
        self._live = Live(console=console, transient=True, auto_refresh=False) if console.is_terminal else None

    def __enter__(self) -> "LiveSummary":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, now: Moment) -> None:
        """Show `now`; rates are since the moment shown before."""
        shown = figures(now, self._before)
        self._before = now
        if self._live is None:
            line = " | ".join(f"{label} {value}" for label, value in shown.items())
            self._console.print(f"{time.strftime('%H:%M:%S')} {line}", markup=False, highlight=False, soft_wrap=True)
            return
        table = Table.grid(padding=(0, 2))
        for label, value in shown.items():
            table.add_row(Text(label, style="dim"), value)
        self._live.update(Group(Text(self._title, style="bold"), table), refresh=True)


def _rate(now: Moment, before: Moment | None) -> float:
    """Trades a second that reached the topic since `before`."""
    if before is None or now.read_at_seconds <= before.read_at_seconds:
        return 0.0
    return max(0.0, (now.records - before.records) / (now.read_at_seconds - before.read_at_seconds))
