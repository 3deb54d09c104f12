"""The stream's JVM is a process of its own and may be killed: by the kernel where memory runs out, or by a person."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JNetworkError
from pyspark.sql import SparkSession

from firehose_dagster.streams.query import StreamFailedError

_LAST_BREATH_SECONDS = 10
"""Its sockets are closed some time before its parent is told that it ended: a heap takes a while to be given back."""
_OUT_OF_MEMORY = "Where nobody killed it, memory ran out: lower FIREHOSE_SPARK_DRIVER_MEMORY, or end what else takes it"


@contextmanager
def jvm_death_explained(spark: SparkSession) -> Iterator[None]:
    """Within, the error of a call to a dead JVM becomes ``StreamFailedError``; all others pass as they are.

    Calls made as the block is left count: the one that was under way when the JVM died fails by another error, and only
    the next finds nobody at the other end.
    """
    try:
        yield
    except (Py4JNetworkError, ConnectionError) as error:
        ended_by = _ended_by(spark)
        if ended_by is None:
            raise
        raise StreamFailedError(
            f"the stream's JVM was ended by {ended_by}. Nothing half was committed, and the next start goes on. "
            + (_OUT_OF_MEMORY if ended_by == signal.SIGKILL.name else "What it said last stands above, in the log")
        ) from error


def _ended_by(spark: SparkSession) -> str | None:
    """The signal or exit code; None for one that lives, or that another process started."""
    process: Any = getattr(spark.sparkContext._gateway, "proc", None)
    try:
        code = None if process is None else process.wait(_LAST_BREATH_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    if code is None:
        return None
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
