"""Make a layer anew from the one below."""

import sys

from firehose_dagster.commands.application import Home, app, settings_of, stop_on_signal
from firehose_dagster.contracts.layers import Layer


@app.command
def rebuild(layer: Layer, /, *, home: Home = None) -> int:
    """Empty silver (with gold) or gold, and make it anew from the layer below, up to the topic's end.

    No stream may run meanwhile. Earlier snapshots keep the old rows. Stopped halfway, the stream's next start goes on;
    the exit code is 1 then.
    """
    from firehose_dagster.streams.host import run_streams

    stop = stop_on_signal()
    progress = run_streams(settings_of(home), stop, until_caught_up=True, rebuild=layer)
    if stop.is_set():
        print(f"stopped before {layer} was made anew to the end: the stream's next start goes on", file=sys.stderr)
        return 1
    print(f"{layer} was made anew: {progress.silver} rows to silver, {progress.gold_minutes} gold minutes")
    return 0
