"""Ask the lake, and judge it."""

from typing import Annotated

from cyclopts import Parameter

from firehose_dagster.commands.application import Format, Home, app, settings_of


@app.command
def sql(
    query: str = "",
    /,
    *,
    view: str = "",
    views: Annotated[bool, Parameter(negative="")] = False,
    home: Home = None,
    format: Format = "text",
) -> int:
    """One SELECT over the tables' current snapshots, by DuckDB. Decimals print exactly, times are UTC.

    Parameters
    ----------
    view
        Run a query that comes with the project.
    views
        List those queries.
    """
    from firehose_dagster.lake.query import QueryError, run_query, to_json, to_text
    from firehose_dagster.lake.views import view as view_named
    from firehose_dagster.lake.views import views as all_views

    if bool(query) + bool(view) + views != 1:
        raise QueryError("give one of a query, --view NAME, and --views")
    if views:
        print("\n".join(f"{each.name:<22} {each.doc}" for each in all_views()))
        return 0
    rows = run_query(settings_of(home), query or view_named(view).sql)
    print(to_json(rows) if format == "json" else to_text(rows))
    return 0


@app.command
def spark_sql(query: str, /, *, home: Home = None) -> int:
    """One statement through Spark's own SQL shell, on the same lake: `lake.crypto.<table>`."""
    from firehose_dagster.lake.spark_shell import run_spark_sql

    return run_spark_sql(settings_of(home), query)


@app.command
def verify(*, home: Home = None, format: Format = "text") -> int:
    """Check the promises on what the lake holds; exit 1 on any breach."""
    from firehose_dagster.verification.rendering import to_json, to_text
    from firehose_dagster.verification.verify import verify as verify_lake

    report = verify_lake(settings_of(home))
    print(to_json(report) if format == "json" else to_text(report))
    return 0 if report.ok else 1
