"""Homes, free ports and trivial programs for the tests of the embedded profile."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firehose_dagster.local.java import JavaUnusableError, java_executable
from firehose_dagster.local.ports import free_ports
from firehose_dagster.local.programs import Program
from firehose_dagster.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    names = (
        *("ui_port", "code_server_port", "broker_port", "broker_controller_port", "exchange_port", "receiver_port"),
        "api_port",
    )
    return Settings(home=tmp_path / "home").model_copy(update=dict(zip(names, free_ports(len(names)), strict=True)))


@pytest.fixture
def java() -> Iterator[Path]:
    try:
        yield java_executable()
    except JavaUnusableError as error:
        pytest.skip(str(error))


def sleeper(name: str, **options: object) -> Program:
    """A program that does nothing for long, and dies of SIGTERM."""
    return Program(name=name, command=(sys.executable, "-c", "import signal; signal.pause()"), **options)  # type: ignore[arg-type]  # options are checked by the call
