"""What a person does about alerts."""

from firehose_dagster.commands.application import Home, app, settings_of


@app.command
def replay_alerts(spike_id: str, /, *more: str, home: Home = None) -> int:
    """Send dead-lettered spike webhooks again, by their spike ids."""
    from firehose_dagster.alerts.replay import replay

    print(f"{replay(settings_of(home), (spike_id, *more))} alerts will be sent again")
    return 0
