"""How Spark takes a batch: of a small one planning is the cost, of a large one the rows are."""

from pyspark.sql import DataFrame

_INTERPRETED_BELOW_ROWS = 50_000
"""Compiling a plan's classes pays from about here; below, every batch would compile new ones (literals differ)."""
_ONE_TASK_BELOW_ROWS = 10_000
"""Below, a task costs more than what it shares, and each would write files of its own."""


def sized(rows: DataFrame, expected_rows: int) -> DataFrame:
    """The batch's rows, split and with its session set for about so many of them. Neither changes what comes out."""
    compiled = expected_rows >= _INTERPRETED_BELOW_ROWS
    conf = rows.sparkSession.conf
    conf.set("spark.sql.codegen.wholeStage", str(compiled).lower())
    conf.set("spark.sql.codegen.factoryMode", "FALLBACK" if compiled else "NO_CODEGEN")
    return rows.coalesce(1) if expected_rows < _ONE_TASK_BELOW_ROWS else rows
