"""How often a run that goes on for months tells Dagster how it is: its event log is kept as long as the run."""

_FIRST_PAUSE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 300.0
"""An observation is some 5 KB of the event log, kept twice; six assets each minute would be 100 MB a day."""


class ReportPace:
    """At once, after a minute, after two and four, then each five minutes. Times are of one monotonic clock."""

    def __init__(self) -> None:
        self._due_at: float | None = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def is_due(self, now: float) -> bool:
        """Whether a report should be made."""
        return self._due_at is None or now >= self._due_at

    def reported(self, now: float) -> None:
        """One was."""
        self._due_at = now + self._pause_seconds
        self._pause_seconds = min(self._pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
