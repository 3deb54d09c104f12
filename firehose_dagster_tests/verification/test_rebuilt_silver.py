"""After a rebuild the batches that filled silver anew count, those before it do not: whatever the clock said then."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import AUDIT, OFFSETS, REBUILD, Position
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.judging import failed, settings_of, told
from firehose_dagster_tests.verification.small_lake import START, TOPIC, Row, SmallLake, append, small_lake, write

_HOUR = timedelta(hours=1)
_COUNTS = ("rows_in", "rows_out", "dq_pass", "dq_fail", "duplicates", "conflicts", "gold_minutes", "spikes")


def _lake(before: timedelta, since: timedelta) -> tuple[SmallLake, Row, Row]:
    """A lake, a batch of before its rebuild, and the rebuild, at START: when the batches before and since it began."""
    lake = small_lake()
    old = lake.audit[0] | {"run_id": "before/0", "started_at": START + before, "gold_minutes": 0, "spikes": 0}
    for batch in (*lake.audit, *lake.stamped_audit):
        batch["started_at"] = START + since
    offsets = dict.fromkeys(("offsets_start", "offsets_end"))
    marker = old | dict.fromkeys(_COUNTS, 0) | offsets | {"run_id": "rebuild/1", "kind": REBUILD, "started_at": START}
    lake.audit += [old, marker]
    return lake, old, marker


def _stamps(row: Row, position: Position) -> dict[str, str]:
    return {AUDIT: json.dumps(row, default=datetime.isoformat), OFFSETS: position.to_json()}


def _fill_and_empty(settings: Settings, lake: SmallLake, old: Row, marker: Row) -> None:
    """The commits of silver until it was filled anew by the first of its two batches, which the second ends."""
    create_tables(open_catalog(settings))
    append(settings, SILVER, lake.silver[:100], _stamps(old, lake.position()))
    held = open_catalog(settings).load_table(SILVER.identifier)
    held.delete(snapshot_properties=_stamps(marker, Position(TOPIC, {})))
    append(settings, SILVER, [], _stamps(lake.audit[0], Position(TOPIC, {})))


@pytest.mark.parametrize(
    ("before", "since"),
    [(-_HOUR, timedelta()), (-_HOUR, -timedelta(seconds=60)), (timedelta(seconds=60), timedelta())],
    ids=["the clock goes on", "it was set back after the rebuild", "it was set back before the rebuild"],
)
def test_batches_since_a_rebuild_are_those_that_silver_was_filled_by_since(
    tmp_path: Path, before: timedelta, since: timedelta
) -> None:
    settings, (lake, old, marker) = settings_of(tmp_path), _lake(before, since)
    _fill_and_empty(settings, lake, old, marker)
    write(settings, lake)
    report = verify(settings)
    assert (failed(report), told(report)) == (set(), "")


def test_a_row_of_the_audit_that_no_commit_since_the_rebuild_tells_of_does_not_count(tmp_path: Path) -> None:
    settings, (lake, old, marker) = settings_of(tmp_path), _lake(-_HOUR, timedelta())
    _fill_and_empty(settings, lake, old, marker)
    write(settings, lake)
    append(settings, OPS_AUDIT, [lake.audit[0] | {"run_id": "before/1", "started_at": START + _HOUR}], {})
    assert failed(verify(settings)) == set()


@pytest.mark.parametrize("since", [timedelta(), -timedelta(seconds=60)])
def test_where_the_commit_of_a_rebuild_has_expired_times_tell_of_the_batches_that_expired_too(
    tmp_path: Path, since: timedelta
) -> None:
    settings, (lake, _, _) = settings_of(tmp_path), _lake(-_HOUR, timedelta())
    # The last batch's commit is there still.
    lake.stamped_audit[0]["started_at"] = START + since
    write(settings, lake)
    assert failed(verify(settings)) == set()
