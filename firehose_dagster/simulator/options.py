"""What an exchange is started with."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from firehose_dagster.errors import ExplainedError

DEFAULT_SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT")

SourceKind = Literal["recording", "archive", "synthetic"]


class ExchangeOptionsError(ExplainedError):
    """The options contradict each other or name nothing to send; the message says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOptions:
    """Exactly one of `recordings`, `archives` and `synthetic` is given, else `ExchangeOptionsError`."""

    recordings: tuple[Path, ...] = ()
    """Captured frames, see `recording.read_recordings`."""
    archives: tuple[Path, ...] = ()
    """Daily aggTrades files, see `archive.read_archives`."""
    synthetic: bool = False
    """A made-up market; `seed` to `duration_seconds` below belong to it."""

    seed: int = 1
    symbols: tuple[str, ...] = DEFAULT_SYMBOLS
    rate: float = 50.0
    """Mean trades a second, over all symbols."""
    history_minutes: int = 35
    """Minutes before a symbol's first subscription that are sent first, as fast as the client reads."""
    history_sent: Path | None = None
    """A file that remembers over restarts which symbols had their history: they get none again, as from Binance."""
    duration_seconds: float | None = None
    """The synthetic market closes this long after the start; None: never."""

    speed: float = 1.0
    """Files only. 1: original pace, 10: ten times as fast, 0: as fast as the client reads."""
    shift_to_now: bool = False
    """Files only. Each trade is sent at its new event time; at speed 0 the last event is mapped to the start."""

    host: str = "127.0.0.1"
    port: int = 9080
    """0: a free one, told in the line logged when listening."""

    ping_interval_seconds: float = 20.0
    pong_timeout_seconds: float = 60.0
    client_messages_per_second: int = 5
    """More than this from one client closes its connection with code 1008."""
    weight_per_minute: int = 6_000
    """REST weight of an address above which it is answered 429 until the minute ends."""
    limited_requests_tolerated: int = 10
    """Requests of an address that was answered 429 beyond which it is banned: 418."""
    requests_in_flight_seconds: float = 0.5
    """For so long after a 429 or 418 requests are taken to have been on their way: refused, but no violation."""
    ban_seconds: float = 120.0
    """Of the first ban; each next one is twice as long."""
    connection_attempts_per_5_minutes: int = 300
    """More handshakes of an address are refused with 429."""
    connection_max_age_seconds: float = 86_400.0
    """Connections are closed at this age."""

    def __post_init__(self) -> None:
        given = [
            name
            for name, value in (
                ("recording", self.recordings),
                ("archive", self.archives),
                ("synthetic", self.synthetic),
            )
            if value
        ]
        if len(given) != 1:
            named = " and ".join(given) or "none"
            raise ExchangeOptionsError(
                f"one source is needed, got {named}: name recording files, archive files, or synthetic"
            )
        if self.synthetic and self.shift_to_now:
            raise ExchangeOptionsError(
                "a synthetic market is live already: shift_to_now belongs to recordings and archives"
            )
        for name, number, least in (
            ("speed", self.speed, 0.0),
            ("history_minutes", float(self.history_minutes), 0.0),
            ("duration_seconds", self.duration_seconds or 0.0, 0.0),
            ("connection_max_age_seconds", self.connection_max_age_seconds, 0.1),
            ("connection_attempts_per_5_minutes", float(self.connection_attempts_per_5_minutes), 1.0),
        ):
            if not number >= least:
                raise ExchangeOptionsError(f"{name} is {number:g}, it must be at least {least:g}")
        if not 0 < self.rate <= 1_000_000:
            raise ExchangeOptionsError(
                f"rate is {self.rate:g} trades a second, it must be above 0 and at most 1,000,000"
            )
        if self.synthetic and (not self.symbols or len(set(self.symbols)) != len(self.symbols)):
            raise ExchangeOptionsError("symbols must name at least one symbol, and each once")
        wrong = [symbol for symbol in self.symbols if not symbol.isalnum() or symbol != symbol.upper()]
        if wrong:
            raise ExchangeOptionsError(f"symbols are upper-case letters and digits, got {', '.join(wrong)}")

    @property
    def kind(self) -> SourceKind:
        """Which source is meant."""
        if self.recordings:
            return "recording"
        return "archive" if self.archives else "synthetic"
