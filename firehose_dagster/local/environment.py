"""The environment that every process of an installation gets: all settings in force, so that they agree."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from firehose_dagster.local.java import java_home
from firehose_dagster.settings import Settings

MARKER = "FIREHOSE_INSTALLATION"
"""Set to the home in every process of an installation, and so in what they start: leftovers are found by it."""


def settings_environment(settings: Settings) -> dict[str, str]:
    """`settings` as the variables that read back to it. Secrets are in clear: for a process, never for a file."""
    environment = {}
    for name, value in settings:
        if value is None:
            continue
        if isinstance(value, SecretStr):
            text = value.get_secret_value()
        elif isinstance(value, tuple):
            text = ",".join(value)
        else:
            text = str(value)
        environment[f"FIREHOSE_{name.upper()}"] = text
    return environment


def process_environment(
    settings: Settings, java: Path | None = None, base: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """`base` with the settings, DAGSTER_HOME, JAVA_HOME and the installation's marker."""
    environment = {
        **base,
        **settings_environment(settings),
        MARKER: str(settings.home),
        "DAGSTER_HOME": str(settings.dagster_home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONUNBUFFERED": "1",
    }
    home = java_home(java) if java is not None else None
    if home is not None:
        environment["JAVA_HOME"] = str(home)
    return environment
