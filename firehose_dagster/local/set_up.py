"""`make setup` after the virtual environment: Java is there, the jars are there."""

from collections.abc import Callable

from firehose_dagster.lake.jars import resolve_jars
from firehose_dagster.local.java import java_executable
from firehose_dagster.settings import Settings


def set_up(settings: Settings, on_progress: Callable[[str], None] = print) -> None:
    """Check Java and fetch the jars; returns at once where all is there.

    Raises `local.java.JavaUnusableError`, `lake.jars.JarsUnresolvedError`.
    """
    java = java_executable()
    on_progress(f"java: {java}")
    resolve_jars(settings.jars_dir, on_progress)
    on_progress(f"jars: {settings.jars_dir}")
