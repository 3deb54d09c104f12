"""What a soak with `--require-flat` calls flat."""

from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import CompletedProcess
from types import SimpleNamespace

import pytest

from benchmarks.soak import run
from benchmarks.soak.flatness import growing
from benchmarks.soak.samples import Sample


@pytest.mark.parametrize(
    ("name", "flat", "grown"),
    [
        ("stream host: MB", 2.0, 2.1),
        ("stream JVM: MB", 10.0, 10.1),
        ("broker: open files", 0.5, 0.6),
        ("event log: rows", 90.0, 91.0),
        ("ticks: rows", 40.0, 41.0),
    ],
)
def test_a_figure_that_grows_by_more_than_its_bound_is_named(name: str, flat: float, grown: float) -> None:
    assert growing({name: flat, "webserver: MB": -3.0}) == []
    (line,) = growing({name: grown, "webserver: MB": -3.0})
    assert line.startswith(f"{name} grows by {grown:.2f} a minute, more than ")


def test_what_has_a_ceiling_by_setting_may_grow_until_it() -> None:
    assert growing({"lake metadata: MB": 50.0, "Dagster storage: MB": 50.0, "checkpoints: files": 50.0}) == []


@pytest.mark.parametrize(
    ("arguments", "megabytes_a_minute", "verified", "code"),
    [
        (("--require-flat",), 1.0, True, 0),
        (("--require-flat",), 40.0, True, 1),
        (("--require-flat",), 1.0, False, 1),
        ((), 40.0, True, 0),
    ],
)
def test_a_soak_that_must_be_flat_ends_by_its_second_half_and_by_verify(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    megabytes_a_minute: float,
    code: int,
    *,
    verified: bool,
) -> None:
    @contextmanager
    def demo(*_: object, **__: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(settings=None, firehose=lambda *_: CompletedProcess((), 0 if verified else 1))

    def watched(*_: object) -> list[Sample]:
        # The first half grows by much: the caches fill.
        sizes = [100.0 * at if at < 10 else 1_000 + megabytes_a_minute * (at - 10) for at in range(21)]
        return [Sample(60.0 * at, at, {"stream host: MB": size}) for at, size in enumerate(sizes)]

    for name in ("FIREHOSE_TRIGGER_INTERVAL_MS", "FIREHOSE_SNAPSHOT_MIN_AGE_MINUTES"):
        monkeypatch.setenv(name, "1")  # it sets them: put back at the end
    monkeypatch.setattr("sys.argv", ["soak", "--warm-up", "0", *arguments])
    monkeypatch.setattr(run, "write_market", lambda *_: [])
    monkeypatch.setattr(run, "running_demo", demo)
    monkeypatch.setattr(run, "_watch", watched)
    monkeypatch.setattr(
        run, "run_query", lambda *_: SimpleNamespace(to_pylist=lambda: [{"seconds": 1.0}, {"seconds": 1.0}])
    )
    assert run.main() == code
    is_told = "not flat: stream host: MB grows by 40.00 a minute" in capsys.readouterr().err
    assert is_told == (megabytes_a_minute > 2 and code == 1)
