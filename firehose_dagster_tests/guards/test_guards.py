"""The lists of guards fit the code as it is; whether the tests fail without them is seen by `make guards`."""

from pathlib import Path

import pytest

from firehose_dagster_tests.guards.guard import ROOT, guards_of, lists


@pytest.mark.parametrize("path", tuple(lists()), ids=lambda path: path.stem)
def test_each_guard_is_found_once_in_the_code_and_its_tests_are_there(path: Path) -> None:
    guards = guards_of(path)
    assert len({guard.name for guard in guards}) == len(guards)
    for guard in guards:
        assert guard.broken_text(ROOT) != (ROOT / guard.file).read_text(), guard.name
        for test in guard.tests:
            file, _, name = test.partition("::")
            assert f"def {name.partition('[')[0]}" in (ROOT / file).read_text(), (guard.name, test)
