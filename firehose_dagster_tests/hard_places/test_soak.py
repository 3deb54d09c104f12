"""What a soak with `--require-flat` calls flat."""

import pytest

from benchmarks.soak.flatness import growing


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
