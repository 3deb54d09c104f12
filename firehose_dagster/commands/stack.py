"""What a person asks of the services that everything stands on."""

from firehose_dagster.commands.application import Home, app, settings_of


@app.command
def smoke(*, home: Home = None) -> int:
    """Send a message through Kafka, write and read a table, look at its files; exit 1 where one of these fails."""
    from firehose_dagster.verification import smoke as smoke_checks

    checks = smoke_checks.smoke(settings_of(home))
    print(smoke_checks.to_text(checks))
    return 0 if all(check.ok for check in checks) else 1
