"""Where the demo's trades come from: files, the synthetic market, or Binance where it can be reached."""

from dataclasses import dataclass

from firehose_dagster.errors import ExplainedError
from firehose_dagster.local.demo_options import DemoOptions
from firehose_dagster.local.programs import answers_ok
from firehose_dagster.settings import ALL_SYMBOLS, Settings

_PING_TIMEOUT_SECONDS = 3.0
_IDENTITY_FILE = "trade_source"
_HISTORY_FILE = "history_sent.json"


class OtherSourceError(ExplainedError):
    """The home holds trades of another source; their ids would contradict each other."""


@dataclass(frozen=True, slots=True)
class TradeSource:
    """The source chosen."""

    identity: str
    """Trades of sources with different identities do not belong in one lake."""
    announcement: str
    exchange_arguments: tuple[str, ...] | None
    """For `firehose exchange`; None: the real exchange."""
    symbols: tuple[str, ...]


def choose_source(options: DemoOptions, settings: Settings) -> TradeSource:
    """What the options name; else the live exchange where it answers within 3 s; else the simulator."""
    if options.has_files:
        return _files(options)
    symbols = options.symbols or settings.symbols
    if options.synthetic:
        return _synthetic(options, settings, symbols, "SIMULATED TRADES: the synthetic market, as asked for")
    if answers_ok(f"{settings.exchange_rest_url.rstrip('/')}/api/v3/ping", _PING_TIMEOUT_SECONDS):
        return TradeSource(
            identity=settings.exchange_rest_url,
            announcement=f"LIVE TRADES from {settings.exchange_ws_url}",
            exchange_arguments=None,
            symbols=symbols,
        )
    return _synthetic(
        options,
        settings,
        symbols,
        f"SIMULATED TRADES, NOT REAL DATA: {settings.exchange_rest_url} DOES NOT ANSWER, this is the synthetic market",
    )


def claim_home(source: TradeSource, settings: Settings) -> None:
    """Tie the home to the source's identity at its first use. Raises `OtherSourceError` where it is tied to another."""
    path = settings.state_dir / _IDENTITY_FILE
    held = path.read_text().strip() if path.is_file() else source.identity
    if held != source.identity:
        raise OtherSourceError(
            f"{settings.home} holds trades of `{held}`, this start would add trades of `{source.identity}` under the "
            "same ids: name another folder with --home, or choose the source that the home is of"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{source.identity}\n")


def _files(options: DemoOptions) -> TradeSource:
    kind = "recording" if options.recordings else "archive"
    arguments = [argument for path in options.files for argument in (f"--{kind}", str(path.resolve()))]
    if options.speed is not None:
        arguments += ["--speed", f"{options.speed:g}"]
    if options.shift_to_now:
        arguments.append("--shift-to-now")
    return TradeSource(
        identity="files",
        announcement=f"REPLAYED TRADES: {len(options.files)} {kind} file{'s' if len(options.files) > 1 else ''}",
        exchange_arguments=tuple(arguments),
        symbols=options.symbols or (ALL_SYMBOLS,),
    )


def _synthetic(options: DemoOptions, settings: Settings, symbols: tuple[str, ...], announcement: str) -> TradeSource:
    # A new lake gets some history, so that spikes can be told from it; a restart goes on where it stopped.
    history = ("--history-sent", str(settings.state_dir / _HISTORY_FILE))
    named = () if symbols == (ALL_SYMBOLS,) else ("--symbols", ",".join(symbols))
    return TradeSource(
        identity=f"synthetic seed {options.seed}",
        announcement=announcement,
        exchange_arguments=("--synthetic", "--seed", str(options.seed), *history, *named),
        symbols=symbols,
    )
