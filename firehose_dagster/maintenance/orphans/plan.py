"""Which files in a table's folder belong to nothing. Pure: from a listing and from what the metadata names.

A file is an orphan where no metadata names it, before and after the listing, and it is older than any commit that may
still be under way. Names are compared as paths of one store: `file:/a`, `file:///a` and `/a` are the same file, so are
`s3://b/a` and `s3a://b/a`. Where listing and metadata do not speak of the same place, nothing is removed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlparse

from firehose_dagster.errors import ExplainedError

SMALLEST_AGE = timedelta(days=3)
"""A writer may take long between its first file and its commit; Iceberg's own floor is one day, its default three."""
_SAME_STORE = {"": "file", "file": "file", "s3": "s3", "s3a": "s3", "s3n": "s3"}


class OrphansUnclearError(ExplainedError):
    """It cannot be told which files are orphans; nothing was removed."""


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file as the store lists it; `changed_at` is UTC."""

    location: str
    size_bytes: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class OrphanPlan:
    """What is to go, and what was seen."""

    orphans: tuple[ListedFile, ...]
    listed: int
    reached: int
    young: int
    """Files that nothing names and that may still be in the making."""

    @property
    def bytes(self) -> int:
        """What removal frees."""
        return sum(each.size_bytes for each in self.orphans)


def find_orphans(
    table_location: str,
    other_locations: Iterable[str],
    listed: Iterable[ListedFile],
    named_before: Iterable[str],
    named_after: Iterable[str],
    min_age: timedelta,
    now: datetime,
) -> OrphanPlan:
    """Which files go. `named_before` and `named_after`: what the metadata named when the listing began and had ended.

    Raises OrphansUnclearError where another table lies within the folder or around it, where the metadata names a file
    outside it, and where the listing lacks a file that the table needs.
    """
    root = normal(table_location)
    for other in map(normal, other_locations):
        if other == root or other.startswith(f"{root}/") or root.startswith(f"{other}/"):
            raise OrphansUnclearError(f"{table_location} and the table at {other} share a folder: move one of them")
    before, after = {normal(each) for each in named_before}, {normal(each) for each in named_after}
    outside = sorted(each for each in before | after if not each.startswith(f"{root}/"))
    if outside:
        raise OrphansUnclearError(
            f"the metadata names {outside[0]}, which is not under {root} ({len(outside)} such files): were they moved, "
            "or is the table reached by another name? No orphan is removed until all are in one place"
        )
    found = {normal(each.location): each for each in listed}
    absent = sorted((before & after) - found.keys())
    if absent:
        raise OrphansUnclearError(
            f"the listing of {root} lacks {absent[0]} ({len(absent)} such files), which the table needs: the folder "
            "is listed by another name, or files are gone; run `firehose verify`"
        )
    unnamed = [each for name, each in sorted(found.items()) if name not in before and name not in after]
    old_enough = now - max(min_age, SMALLEST_AGE)
    orphans = tuple(each for each in unnamed if each.changed_at < old_enough)
    return OrphanPlan(orphans, len(found), len(before | after), len(unnamed) - len(orphans))


def normal(location: str) -> str:
    """One spelling for one file. Raises OrphansUnclearError for a store that is not known."""
    parsed = urlparse(location, allow_fragments=False)
    if parsed.scheme not in _SAME_STORE:
        raise OrphansUnclearError(
            f"{location}: orphans are removed from local folders and S3, not from {parsed.scheme}"
        )
    path = location[len(parsed.scheme) + 1 :] if parsed.scheme else location
    rest = path[2:] if path.startswith("//") else path
    return f"{_SAME_STORE[parsed.scheme]}://{rest.rstrip('/')}"
