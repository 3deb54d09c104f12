"""The source that the options name."""

from firehose_dagster.simulator.archive import read_archives
from firehose_dagster.simulator.history_sent import HistorySent
from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster.simulator.recording import read_recordings
from firehose_dagster.simulator.replay import ReplaySource
from firehose_dagster.simulator.source import Source
from firehose_dagster.simulator.synthetic import SyntheticSource


def build_source(options: ExchangeOptions, now_us: int) -> Source:
    """A source that starts now.

    Raises:
        SourceFileError: a file named in the options cannot be served.
    """
    if options.kind == "synthetic":
        return SyntheticSource(
            options.seed,
            options.symbols,
            options.rate,
            options.history_minutes,
            history_sent=HistorySent(options.history_sent, options.seed),
            closes_at_us=None
            if options.duration_seconds is None
            else now_us + round(options.duration_seconds * 1_000_000),
        )
    paths = options.recordings or options.archives
    events_by_stream, symbols = read_recordings(paths) if options.recordings else read_archives(paths)
    return ReplaySource(
        f"{options.kind} of {len(paths)} file{'s' if len(paths) > 1 else ''}",
        events_by_stream,
        symbols,
        speed=options.speed,
        shift_to_now=options.shift_to_now,
        now_us=now_us,
    )
