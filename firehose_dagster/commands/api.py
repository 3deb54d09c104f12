"""The read API and its live page."""

from firehose_dagster.commands.application import Home, app, settings_of


@app.command
def api(*, home: Home = None) -> int:
    """Serve the read API and the live page on FIREHOSE_API_HOST and FIREHOSE_API_PORT, until stopped."""
    from firehose_dagster.api.server import run_api

    run_api(settings_of(home))
    return 0
