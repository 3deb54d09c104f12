"""What `firehose demo` is asked to do."""

from dataclasses import dataclass
from pathlib import Path

from firehose_dagster.errors import ExplainedError


class DemoOptionsError(ExplainedError):
    """The options contradict each other; the message says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """At most one of `recordings`, `archives` and `synthetic`; none: live, else the simulator.

    Raises `DemoOptionsError` for options that contradict each other and for files that are not there.
    """

    for_seconds: float | None = None
    """Stop this long after the first trade arrived; None: run until Ctrl-C."""
    until_caught_up: bool = False
    """Stop when a finite source is delivered and processed."""
    recordings: tuple[Path, ...] = ()
    archives: tuple[Path, ...] = ()
    synthetic: bool = False
    seed: int = 1
    symbols: tuple[str, ...] = ()
    """None given: all symbols of the files, else those of the settings."""
    speed: float | None = None
    """Files only; None: the simulator's default."""
    shift_to_now: bool = False
    """Files only."""
    no_ui: bool = False
    """No Dagster: gateway and stream as plain processes, no webhooks."""

    def __post_init__(self) -> None:
        given = [name for name in ("recordings", "archives", "synthetic") if getattr(self, name)]
        if len(given) > 1:
            raise DemoOptionsError(f"one source at a time, but {' and '.join(given)} were given")
        if self.until_caught_up and not self.has_files:
            raise DemoOptionsError("--until-caught-up needs a source that ends: give --recording or --archive")
        if self.for_seconds is not None and self.for_seconds <= 0:
            raise DemoOptionsError(f"--for is {self.for_seconds:g} seconds, it must be above 0")
        if (self.speed is not None or self.shift_to_now) and not self.has_files:
            raise DemoOptionsError("--speed and --shift-to-now belong to --recording and --archive")
        for path in self.files:
            if not path.is_file():
                raise DemoOptionsError(f"no such file: {path}")

    @property
    def files(self) -> tuple[Path, ...]:
        """Recordings or archives."""
        return self.recordings or self.archives

    @property
    def has_files(self) -> bool:
        """Whether the source is finite."""
        return bool(self.files)
