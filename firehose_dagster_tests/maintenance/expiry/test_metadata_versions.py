"""The versions of a table's metadata: an expiry leaves on disk those that the table tells of, as any other commit."""

from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from firehose_dagster_tests.maintenance.expiry.expiring import Killed, expire, ids_in
from firehose_dagster_tests.maintenance.small_tables import IDENTIFIER, append, make_lake, on_disk

KEPT = 3


def _at_its_limit(catalog: Catalog, **more: str) -> None:
    """A table with so many versions that each commit drops one."""
    table = catalog.load_table(IDENTIFIER)
    table.transaction().set_properties({"write.metadata.previous-versions-max": str(KEPT), **more}).commit_transaction()
    for day in range(KEPT + 2):
        append(catalog, day)
    assert len(catalog.load_table(IDENTIFIER).metadata.metadata_log) == KEPT


def _versions(catalog: Catalog) -> set[str]:
    return {each for each in on_disk(catalog.load_table(IDENTIFIER), "metadata") if each.endswith(".metadata.json")}


def _told(catalog: Catalog) -> set[str]:
    table = catalog.load_table(IDENTIFIER)
    return {table.metadata_location, *(each.metadata_file for each in table.metadata.metadata_log)}


def test_an_expiry_leaves_no_version_that_the_table_tells_no_more(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    _at_its_limit(catalog)
    assert _versions(catalog) == _told(catalog)
    outcome = expire(settings, catalog)
    assert outcome.commits == 1
    assert _versions(catalog) == _told(catalog)
    assert len(ids_in(catalog)) == KEPT + 2


@pytest.mark.parametrize("step", ["journal written", "committed", "a file removed", "files removed"])
def test_the_run_after_one_that_was_killed_takes_the_versions_too(tmp_path: Path, step: str) -> None:
    settings, catalog = make_lake(tmp_path)
    _at_its_limit(catalog)

    def kill(reached: str) -> None:
        if reached == step:
            raise Killed

    with pytest.raises(Killed):
        expire(settings, catalog, on_step=kill)
    append(catalog, 9)
    expire(settings, catalog)
    assert _versions(catalog) == _told(catalog)


def test_the_versions_that_a_commit_in_between_dropped_are_gone_already(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    _at_its_limit(catalog)

    def write(step: str) -> None:
        if step == "journal written":
            append(catalog, 8)

    assert expire(settings, catalog, on_step=write).commits == 1
    assert _versions(catalog) == _told(catalog)


def test_a_table_that_is_to_keep_its_versions_keeps_them(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    _at_its_limit(catalog, **{"write.metadata.delete-after-commit.enabled": "false"})
    before = _versions(catalog)
    assert before > _told(catalog)
    expire(settings, catalog)
    assert _versions(catalog) == before | _told(catalog)
