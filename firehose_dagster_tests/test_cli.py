"""How the command ends where something that it needs is away."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from firehose_dagster.cli import app, main


@pytest.fixture
def dead_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of a REST catalog at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("FIREHOSE_HOME", str(tmp_path))
    monkeypatch.setenv("FIREHOSE_CATALOG_URI", uri)
    monkeypatch.setenv("FIREHOSE_WAREHOUSE", "s3://lake/wh")
    return uri


@pytest.mark.parametrize("command", [["sql", "select 1"], ["verify"]], ids=" ".join)
def test_a_catalog_that_does_not_answer_is_one_line(
    dead_catalog: str, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(lambda: app(command, result_action="return_value"))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"firehose: the catalog {dead_catalog} does not answer: start it, or correct ")


def test_a_fault_of_the_project_shows_its_trace() -> None:
    def faulty() -> None:
        raise KeyError("offset")

    with pytest.raises(KeyError):
        main(faulty)


def test_what_a_command_does_not_use_is_not_loaded_before_it_begins() -> None:
    # A second stream must be refused within a second, and these take most of one.
    heavy = ("dagster", "duckdb", "numpy", "pyarrow", "pyiceberg", "pyspark", "sqlalchemy")
    asked = f"import sys, firehose_dagster.cli; print([name for name in {heavy} if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert loaded == "[]\n"
