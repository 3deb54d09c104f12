"""No column of gold can be stale without being named."""

from decimal import Decimal
from pathlib import Path

from pyiceberg.table import Table

from firehose_dagster.contracts.position import SILVER_SNAPSHOT
from firehose_dagster.contracts.trade_tables import GOLD, GOLD_PROVENANCE_COLUMNS, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.verification.gold_recomputed import gold_equals_recomputation
from firehose_dagster.verification.pinned_lake import pin
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.judging import settings_of
from firehose_dagster_tests.verification.small_lake import append, small_lake, write, write_gold

UNIT = Decimal("0.00000001")


def test_a_gold_that_is_being_made_anew_is_not_whole_and_the_check_says_what_goes_on(tmp_path: Path) -> None:
    lake = small_lake()
    settings = settings_of(tmp_path)
    write(settings, lake)
    catalog = open_catalog(settings)
    silver_id = _current(catalog.load_table(SILVER.identifier))
    rows = [{"silver_snapshot_id": silver_id, **row} for row in lake.gold]
    catalog.load_table(GOLD.identifier).delete(snapshot_properties={SILVER_SNAPSHOT: ""})
    # The first of several commits: what gold then is a function of is told by the last one alone.
    append(settings, GOLD, rows[:10], {})
    (gold,) = (check for check in verify(settings).checks if check.name == "gold_equals_recomputation")
    assert gold.breaches == len(lake.gold) - 10
    assert gold.examples[0].startswith("gold was emptied to be made anew and is not complete yet")
    append(settings, GOLD, rows[10:], {SILVER_SNAPSHOT: str(silver_id)})
    assert verify(settings).ok


def _current(table: Table) -> int:
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id


def test_every_stale_gold_column_is_found_and_named(tmp_path: Path) -> None:
    lake = small_lake()
    settings = settings_of(tmp_path)
    write(settings, lake)
    silver_id = _current(open_catalog(settings).load_table(SILVER.identifier))
    content = [name for name in GOLD.column_names if name not in (*GOLD_PROVENANCE_COLUMNS, "symbol", "minute")]
    # Each column is spoiled in a row of its own: one verification finds them all.
    spoiled = [dict(row) for row in lake.gold]
    for index, column in enumerate(content, start=12):
        value = spoiled[index][column]
        assert value is not None
        step = UNIT / 10**8 if column == "quote_volume" else UNIT if isinstance(value, Decimal) else 1
        spoiled[index][column] = not value if isinstance(value, bool) else value + step
    write_gold(settings, spoiled, silver_id)
    report = verify(settings)
    (gold,) = (check for check in report.checks if check.name == "gold_equals_recomputation")
    assert gold.breaches == len(content)
    for index, column in enumerate(content, start=12):
        one = [dict(row) for row in lake.gold]
        one[index] = spoiled[index]
        write_gold(settings, one, silver_id)
        with pin(settings) as pinned:
            gold = gold_equals_recomputation(pinned, settings)
        assert gold.breaches == 1
        minute = spoiled[index]["minute"]
        assert gold.examples[0].startswith(f"{spoiled[index]['symbol']} {minute:%Y-%m-%dT%H:%MZ}: {column} ")
