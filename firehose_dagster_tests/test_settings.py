"""Settings that cannot work are refused by name; an empty variable is one that is not set."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from firehose_dagster.cli import main
from firehose_dagster.settings import Settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither by this machine's environment nor by a `.env`."""
    for name in ("FIREHOSE_SYMBOLS", "FIREHOSE_TOPIC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("symbols", ["", " , "])
def test_a_variable_that_names_no_symbol_is_refused(monkeypatch: pytest.MonkeyPatch, symbols: str) -> None:
    monkeypatch.setenv("FIREHOSE_SYMBOLS", symbols)
    with pytest.raises(ValidationError, match="no symbol was given; name some, comma separated, or ALL") as refused:
        Settings()
    assert [error["loc"] for error in refused.value.errors()] == [("symbols",)]


def test_a_line_of_the_file_that_names_no_symbol_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FIREHOSE_SYMBOLS=\n")
    with pytest.raises(ValidationError, match="no symbol was given"):
        Settings()


def test_any_other_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIREHOSE_TOPIC", "")
    (tmp_path / ".env").write_text("FIREHOSE_TOPIC=of.the.file\nFIREHOSE_BROKER_PORT=\n")
    settings = Settings()
    assert (settings.topic, settings.broker_port, settings.symbols[0]) == ("of.the.file", 9092, "BTCUSDT")


def test_the_environment_goes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("FIREHOSE_SYMBOLS=\n")
    monkeypatch.setenv("FIREHOSE_SYMBOLS", "ethusdt")
    assert Settings().symbols == ("ETHUSDT",)


def test_a_history_too_short_for_any_spike_is_refused_by_both_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert Settings(spike_history_minutes=10).spike_min_history == 10
    with pytest.raises(SystemExit, match="2"):
        main(lambda: Settings(spike_history_minutes=9))
    assert capsys.readouterr().err == (
        "firehose: settings are not usable:\n  Value error, SPIKE_MIN_HISTORY=10, SPIKE_HISTORY_MINUTES=9: no spike "
        "could ever be called; lower the first, or raise the second\n"
    )


@pytest.mark.parametrize("name", ["a#b", "a?b", "a%20b"])
def test_a_home_that_catalog_and_files_would_be_looked_for_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValidationError, match="looked for elsewhere; choose another FIREHOSE_HOME"):
        Settings(home=tmp_path / name)


@pytest.mark.parametrize("name", ["a b", "100%", "a%z", "a*", "a[1]", "a's"])
def test_a_home_of_other_odd_names_is_taken(tmp_path: Path, name: str) -> None:
    assert Settings(home=tmp_path / name).home == tmp_path / name


def test_an_embedded_warehouse_that_would_be_looked_for_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="choose another FIREHOSE_WAREHOUSE"):
        Settings(home=tmp_path, warehouse="file:///data/a#b")


def test_a_home_beside_a_lake_in_a_rest_catalog_may_have_any_name(tmp_path: Path) -> None:
    assert Settings(home=tmp_path / "a#b", catalog_uri="http://catalog", warehouse="ours#1").warehouse == "ours#1"
