"""Secrets of the stack are random, said by name, never replaced, and readable by their owner alone."""

from pathlib import Path

import pytest

from firehose_dagster.alerts.signature import signer
from firehose_dagster_tests.compose.project import fill_secrets

REQUIRED = fill_secrets["REQUIRED"]
fill = fill_secrets["fill"]
main = fill_secrets["main"]


def values(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def test_each_missing_secret_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# a comment\nFIREHOSE_SYMBOLS=BTCUSDT\n#STACK_POSTGRES_PASSWORD=\nFIREHOSE_API_TOKEN=\n")
    assert fill(path) == list(REQUIRED)
    written = path.read_text()
    assert fill(path) == []
    assert path.read_text() == written
    assert values(path).keys() == {"FIREHOSE_SYMBOLS", *REQUIRED}


def test_no_two_installations_have_the_same(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.write_text("")
        fill(path)
    assert set(values(one).values()).isdisjoint(values(other).values())


def test_what_a_person_set_stays(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("FIREHOSE_S3_SECRET_KEY = mine\nexport STACK_POSTGRES_PASSWORD='also mine'")
    names = fill(path)
    assert "FIREHOSE_S3_SECRET_KEY" not in names
    assert "STACK_POSTGRES_PASSWORD" not in names
    assert path.read_text().startswith("FIREHOSE_S3_SECRET_KEY = mine\nexport STACK_POSTGRES_PASSWORD='also mine'\n")


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("")
    path.chmod(0o644)
    fill(path)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_webhook_secret_is_one_that_signs(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("")
    fill(path)
    signer(values(path)["FIREHOSE_WEBHOOK_SECRET"])


def test_names_are_said_and_values_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / ".env"
    monkeypatch.setenv("STACK_ENV_FILE", str(path))
    assert main() == 2
    assert "cp .env.example" in capsys.readouterr().err
    path.write_text("")
    assert main() == 0
    said = capsys.readouterr().out
    for name, value in values(path).items():
        assert name in said
        assert value not in said
