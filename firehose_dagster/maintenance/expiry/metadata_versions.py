"""The versions of a table's metadata, one file each: a commit drops the oldest of them from the table's log. Pure.

pyiceberg deletes what it drops where a commit is one of its transactions; a commit that goes to the catalog itself has
to do so. What a commit wrote that lost its race is told by nobody: that is for the removal of orphans.
"""

from collections.abc import Iterable

from pyiceberg.table import TableProperties
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.utils.properties import property_as_bool


def earlier_versions(metadata: TableMetadata) -> list[str]:
    """The locations that the table tells of, oldest first; without its current one."""
    return [each.metadata_file for each in metadata.metadata_log]


def dropped_versions(told_before: Iterable[str], now: TableMetadata) -> dict[str, None]:
    """Those of `told_before` that the table tells of no more and that its properties let go; their sizes are not told.

    Another commit may have deleted some of them meanwhile.
    """
    lets_go = property_as_bool(
        now.properties,
        TableProperties.METADATA_DELETE_AFTER_COMMIT_ENABLED,
        TableProperties.METADATA_DELETE_AFTER_COMMIT_ENABLED_DEFAULT,
    )
    told = set(earlier_versions(now))
    return dict.fromkeys(each for each in told_before if lets_go and each not in told)
