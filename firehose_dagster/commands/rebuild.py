"""Make a layer anew from the one below."""

from firehose_dagster.commands.application import Home, app, settings_of, stop_on_signal
from firehose_dagster.streams.rebuild import Layer


@app.command
def rebuild(layer: Layer, /, *, home: Home = None) -> int:
    """Empty silver (with gold) or gold, and make it anew from the layer below, up to the topic's end.

    No stream may run meanwhile. Earlier snapshots keep the old rows. Stopped halfway, the stream's next start goes on.
    """
    from firehose_dagster.streams.host import run_streams

    progress = run_streams(settings_of(home), stop_on_signal(), until_caught_up=True, rebuild=layer)
    print(f"{layer} was made anew: {progress.silver} rows to silver, {progress.gold_minutes} gold minutes")
    return 0
