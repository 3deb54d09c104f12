"""Only what nothing names goes, only when it is old, and nothing where the names do not fit."""

from datetime import UTC, datetime, timedelta

import pytest

from firehose_dagster.maintenance.orphans.plan import (
    ListedFile,
    OrphanPlan,
    OrphansUnclearError,
    find_orphans,
    normal,
)

NOW = datetime(2026, 3, 10, tzinfo=UTC)
OLD = NOW - timedelta(days=4)
ROOT = "file:///lake/crypto/silver"


def _file(name: str, changed_at: datetime = OLD) -> ListedFile:
    return ListedFile(f"{ROOT}/{name}", 10, changed_at)


def _plan(
    listed: list[ListedFile],
    before: list[str],
    after: list[str] | None = None,
    *,
    others: list[str] | None = None,
    min_age: timedelta = timedelta(days=3),
) -> OrphanPlan:
    return find_orphans(ROOT, others or [], listed, before, before if after is None else after, min_age, NOW)


def test_an_old_file_that_nothing_names_is_an_orphan() -> None:
    found = _plan([_file("data/a"), _file("data/b")], [f"{ROOT}/data/a"])
    assert [each.location for each in found.orphans] == [f"{ROOT}/data/b"]
    assert (found.listed, found.reached, found.young, found.bytes) == (2, 1, 0, 10)


def test_a_young_file_stays_and_three_days_are_the_least_whatever_is_asked() -> None:
    just_young = _file("data/a", NOW - timedelta(days=3))
    just_old = _file("data/b", NOW - timedelta(days=3, microseconds=1))
    found = _plan([just_young, just_old], [], min_age=timedelta(0))
    assert list(found.orphans) == [just_old]
    assert found.young == 1
    assert _plan([just_old], [], min_age=timedelta(days=5)).orphans == ()


def test_a_file_that_is_named_before_or_after_the_listing_stays() -> None:
    assert _plan([_file("a"), _file("b")], [f"{ROOT}/a"], [f"{ROOT}/b"]).orphans == ()


@pytest.mark.parametrize("spelling", ["file:/lake/crypto/silver", "/lake/crypto/silver", "file:///lake/crypto/silver/"])
def test_one_file_has_one_name(spelling: str) -> None:
    named = f"{spelling.rstrip('/')}/a"
    assert _plan([_file("a")], [named]).orphans == ()
    assert normal(spelling) == ROOT


def test_s3_names_are_one_store() -> None:
    assert normal("s3a://lake/x/y") == normal("s3://lake/x/y") == normal("s3n://lake/x/y/")
    with pytest.raises(OrphansUnclearError, match="not from gs"):
        normal("gs://lake/x")


def test_metadata_that_names_another_place_is_refused() -> None:
    with pytest.raises(OrphansUnclearError, match="not under"):
        _plan([_file("a")], [f"{ROOT}/a", "s3://lake/crypto/silver/b"])
    with pytest.raises(OrphansUnclearError, match="not under"):
        _plan([_file("a")], ["file:///lake/crypto/silver2/a"])


def test_a_listing_without_a_file_that_the_table_needs_is_refused() -> None:
    with pytest.raises(OrphansUnclearError, match="lacks"):
        _plan([_file("b")], [f"{ROOT}/a"])


def test_a_file_that_expired_while_the_folder_was_listed_is_no_fault() -> None:
    assert _plan([_file("b")], [f"{ROOT}/a", f"{ROOT}/b"], [f"{ROOT}/b"]).orphans == ()


@pytest.mark.parametrize("other", [ROOT, f"{ROOT}/inner", "file:///lake/crypto"])
def test_tables_that_share_a_folder_are_refused(other: str) -> None:
    with pytest.raises(OrphansUnclearError, match="share a folder"):
        _plan([_file("a")], [], others=[other])
    assert _plan([_file("a")], [], others=[f"{ROOT}_2"]).orphans != ()
