"""A commit of maintenance waits for the moment right behind the writer's, and no longer than there is one."""

from itertools import chain, repeat
from types import SimpleNamespace
from typing import Any

from firehose_dagster.maintenance.pause import load_behind_the_writer

_SECONDS_ENOUGH = 30


def test_a_commit_comes_right_behind_the_writers_and_sees_it() -> None:
    locations = chain(["v1", "v1", "v1"], repeat("v2"))
    loaded: list[Any] = []

    def load() -> Any:
        loaded.append(SimpleNamespace(metadata_location=next(locations)))
        return loaded[-1]

    assert load_behind_the_writer(load, _SECONDS_ENOUGH).metadata_location == "v2"
    assert len(loaded) == 4


def test_where_nobody_writes_the_table_is_waited_for_only_so_long() -> None:
    table: Any = SimpleNamespace(metadata_location="v1")
    assert load_behind_the_writer(lambda: table, quiet_after_seconds=0.1) is table
