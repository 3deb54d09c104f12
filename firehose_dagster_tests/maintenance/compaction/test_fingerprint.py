"""The fingerprint against figures by hand, and against what a rewrite may and may not change."""

import shutil
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.compaction.fingerprint import Fingerprint, SymbolIds, differences, fingerprint
from firehose_dagster.maintenance.compaction.rewrite_files import sorted_rows, write_sorted
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.compaction.small_files import (
    HOUR,
    append,
    loaded,
    made_lake,
    paths,
    trade,
)


@pytest.fixture
def lake(tmp_path: Path) -> Settings:
    return made_lake(tmp_path / "home")


def test_counts_sums_and_ids_are_those_worked_out_by_hand(lake: Settings) -> None:
    append(lake, [trade(1, price=Decimal("2.5"), qty=Decimal("0.1")), trade(3, price=Decimal("4"), qty=Decimal("0.2"))])
    append(lake, [trade(3, "ETHUSDT", price=Decimal("0.00000001"), qty=Decimal("0.00000003"))])
    found = fingerprint(loaded(lake), SILVER, paths(lake))
    assert found.rows == 3
    assert {name: Decimal(text) for name, text in found.sums.items()} == {
        "price": Decimal("6.50000001"),
        "qty": Decimal("0.30000003"),
        "price x qty": Decimal("1.0500000000000003"),
    }
    assert found.ids == (SymbolIds("BTCUSDT", 2, 1, 3, 2), SymbolIds("ETHUSDT", 1, 3, 3, 1))


def test_numbers_whose_products_are_too_large_for_a_decimal_are_added_up_all_the_same(lake: Settings) -> None:
    largest = {"price": Decimal("9999999999.99999999"), "qty": Decimal("99999999999.99999999")}
    rows = [trade(number) | largest | {"kafka_topic": "t", "kafka_timestamp": HOUR} for number in range(20)]
    append(lake, rows, BRONZE)
    found = fingerprint(loaded(lake, BRONZE), BRONZE, paths(lake, BRONZE))
    assert found.sums["price x qty"] == "19999999999999999978000.0000000000000020"


def test_columns_of_lists_and_maps_and_empty_values_are_part_of_it(lake: Settings) -> None:
    record(open_catalog(lake), MaintenanceRecord("1", "k", HOUR, HOUR, {"files": 3}))
    before = fingerprint(loaded(lake, OPS_AUDIT), OPS_AUDIT, paths(lake, OPS_AUDIT))
    table = loaded(lake, OPS_AUDIT)
    rewritten = write_sorted(table, OPS_AUDIT, sorted_rows(table, OPS_AUDIT, paths(lake, OPS_AUDIT)))
    assert fingerprint(table, OPS_AUDIT, [rewritten]) == before
    assert before.rows == 1


def test_no_files_hold_nothing(lake: Settings) -> None:
    assert fingerprint(loaded(lake), SILVER, []) == Fingerprint(rows=0, content="0")


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=30), st.integers(1, 30), st.data())
def test_it_is_the_same_however_rows_are_cut_and_ordered_and_another_for_any_change(
    lake: Settings, ids: list[int], cut: int, data: st.DataObject
) -> None:
    table = loaded(lake)
    rows = [trade(number, "BTCUSDT" if number % 2 else "ETHUSDT", HOUR) for number in ids]
    written = [_written(lake, part) for part in (rows[:cut], rows[cut:]) if part]
    before = fingerprint(table, SILVER, written)
    assert fingerprint(table, SILVER, [_written(lake, rows[::-1])]) == before

    position = data.draw(st.integers(0, len(rows) - 1))
    change = data.draw(st.sampled_from(["lost", "doubled", "source", "price", "event_ts"]))
    spoiled = list(rows)
    match change:
        case "lost":
            del spoiled[position]
        case "doubled":
            spoiled.append(rows[position])
        case "source":
            spoiled[position] = rows[position] | {"source": "rest"}
        case "price":
            spoiled[position] = rows[position] | {"price": rows[position]["price"] + Decimal("0.00000001")}
        case "event_ts":
            spoiled[position] = rows[position] | {"event_ts": rows[position]["event_ts"] + timedelta(microseconds=1)}
    after = fingerprint(table, SILVER, [_written(lake, spoiled)] if spoiled else [])
    assert differences(before, after)
    assert after.digest() != before.digest()


def _written(settings: Settings, rows: list[dict[str, object]]) -> str:
    table = loaded(settings)
    arrow = table.schema().as_arrow()
    return write_sorted(table, SILVER, arrow.empty_table().from_pylist(rows, schema=arrow))


@pytest.mark.parametrize("name", ["odd[1]", "odd *"])
def test_files_whose_names_duckdb_would_take_for_patterns_have_their_own_fingerprint(tmp_path: Path, name: str) -> None:
    plain, odd = (made_lake(tmp_path / each) for each in ("plain", name))
    for lake in (plain, odd):
        append(lake, [trade(1), trade(2)])
    # What the pattern of `odd *` would find too.
    shutil.copytree(tmp_path / name, tmp_path / "odd or not")
    assert fingerprint(loaded(odd), SILVER, paths(odd)) == fingerprint(loaded(plain), SILVER, paths(plain))
