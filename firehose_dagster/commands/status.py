"""Health at a glance."""

from firehose_dagster.commands.application import Format, Home, app, settings_of


@app.command
def status(*, home: Home = None, format: Format = "text") -> int:
    """Streams, gateway, completeness, maintenance, tables and disk; exit 0 healthy, 1 degraded, 2 unusable."""
    from firehose_dagster.status.look import look
    from firehose_dagster.status.rendering import to_json, to_text
    from firehose_dagster.status.report import EXIT_CODES

    report = look(settings_of(home))
    print(to_json(report) if format == "json" else to_text(report))
    return EXIT_CODES[report.health]
