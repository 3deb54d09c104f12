"""`ops_completeness` is believed only where silver says the same: each way of spoiling it is found and named."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.ops_tables import OPS_COMPLETENESS
from firehose_dagster.contracts.position import WATERMARK
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.exchange_holes import ExchangeHole, append_holes
from firehose_dagster.maintenance.completeness.look import look
from firehose_dagster.settings import Settings
from firehose_dagster.verification.completeness_recomputed import completeness_equals_recomputation
from firehose_dagster.verification.pinned_lake import pin
from firehose_dagster.verification.report import Check
from firehose_dagster_tests.verification.small_lake import EPOCH, MICROSECOND, Row, append, small_lake

NINE, TEN, ELEVEN, TWELVE = (datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (9, 10, 11, 12))


@dataclass
class Lake:
    """Two symbols from 9:40 on, with a hole of BETA and an hour that is over."""

    settings: Settings
    catalog: Catalog

    def judged(self) -> Check:
        with pin(self.settings) as lake:
            return completeness_equals_recomputation(lake)

    def newest(self, symbol: str, hour: datetime) -> Row:
        rows: list[Row] = self.catalog.load_table(OPS_COMPLETENESS.identifier).scan().to_arrow().to_pylist()
        return max((row for row in rows if row["symbol"] == symbol and row["hour"] == hour), key=_checked_at)

    def tell(self, row: Row, **changes: Any) -> None:
        """A newer row, under the stamps of the look before it."""
        newer = row | {"checked_at": row["checked_at"] + timedelta(seconds=1)} | changes
        append(self.settings, OPS_COMPLETENESS, [newer], {})


def _checked_at(row: Row) -> datetime:
    moment: datetime = row["checked_at"]
    return moment


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    settings = Settings(home=tmp_path_factory.mktemp("lake"))
    catalog = open_catalog(settings)
    create_tables(catalog)
    rows = small_lake().silver
    # Three hours more, so that the hours of the small lake are over and followed.
    later = [
        row | {"agg_id": row["agg_id"] + shift, "event_ts": row["event_ts"] + timedelta(hours=hours)}
        for hours in (1, 2)
        for row in rows
        for shift in [hours * (120 if row["symbol"] == "ALPHA" else 80)]
    ]
    held = [row for row in (*rows, *later) if not (row["symbol"] == "BETA" and row["agg_id"] in (1_090, 1_091, 1_200))]
    held = [row | {"dt_hour": row["event_ts"].replace(minute=0, second=0, microsecond=0)} for row in held]
    watermark = (max(row["event_ts"] for row in held) - timedelta(minutes=10) - EPOCH) // MICROSECOND
    append(settings, SILVER, held, {WATERMARK: str(watermark)})
    append_holes(catalog, [ExchangeHole("BETA", 1_090, 1_091, 1_092, NINE)])
    look(catalog, settings)
    return Lake(settings, catalog)


@pytest.fixture
def lake(looked_at: Lake) -> Iterator[Lake]:
    """What is written to `ops_completeness` is taken back afterwards."""
    snapshot = looked_at.catalog.load_table(OPS_COMPLETENESS.identifier).current_snapshot()
    assert snapshot is not None
    yield looked_at
    table = looked_at.catalog.load_table(OPS_COMPLETENESS.identifier)
    table.manage_snapshots().set_current_snapshot(snapshot.snapshot_id).commit()


def test_what_a_look_wrote_is_what_silver_says(lake: Lake) -> None:
    check = lake.judged()
    assert check.ok, check.examples
    assert check.figures == {"hours": 8, "sealed": 3, "missing": 1, "recomputed": "yes"}


def test_before_the_first_look_there_is_nothing_to_judge(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    create_tables(open_catalog(settings))
    with pin(settings) as pinned:
        check = completeness_equals_recomputation(pinned)
    assert check.ok
    assert check.figures["hours"] == 0


MUTANTS: dict[str, tuple[Callable[[Lake], None], str]] = {
    "a trade too many": (
        lambda lake: lake.tell(lake.newest("ALPHA", TEN), present=lake.newest("ALPHA", TEN)["present"] + 1),
        "ALPHA 2026-01-01T10Z: present 121, should be 120",
    ),
    "a first id that is not the first": (
        lambda lake: lake.tell(lake.newest("BETA", NINE), first_agg_id=999),
        "BETA 2026-01-01T09Z: first_agg_id 999, should be 1000",
    ),
    "a hole that the exchange did not confirm": (
        lambda lake: lake.tell(lake.newest("BETA", TWELVE), exchange_holes=1, missing=0),
        "BETA 2026-01-01T12Z: exchange_holes 1, should be 0; missing 0, should be 1",
    ),
    "a row of an hour without trades that tells of some": (
        lambda lake: lake.tell(
            lake.newest("ALPHA", TEN), hour=TEN - timedelta(days=1), is_sealed=False, unsealed_reason="open"
        ),
        "ALPHA 2025-12-31T10Z: the row tells of 120 trades, silver has none",
    ),
    "a seal on an hour that lacks an id": (
        lambda lake: lake.tell(lake.newest("BETA", TWELVE), is_sealed=True, unsealed_reason=None, seal_version=1),
        "BETA 2026-01-01T12Z: it is sealed, though 1 ids are missing",
    ),
    "a seal on a symbol's first hour": (
        lambda lake: lake.tell(lake.newest("ALPHA", NINE), is_sealed=True, unsealed_reason=None, seal_version=1),
        "ALPHA 2026-01-01T09Z: it is sealed, though nothing says where it begins",
    ),
    "a seal on a symbol's last hour": (
        lambda lake: lake.tell(lake.newest("ALPHA", TWELVE), is_sealed=True, unsealed_reason=None, seal_version=1),
        "ALPHA 2026-01-01T12Z: it is sealed, though the symbol has no later trade",
    ),
    "a seal on an hour after which ids are missing": (
        lambda lake: lake.tell(lake.newest("BETA", ELEVEN), is_sealed=True, unsealed_reason=None, seal_version=1),
        "BETA 2026-01-01T11Z: it is sealed, though ids are missing between it and the next trade",
    ),
    "a seal without a version": (
        lambda lake: lake.tell(lake.newest("ALPHA", TEN), seal_version=0),
        "ALPHA 2026-01-01T10Z: it is sealed, but has no version",
    ),
    "a seal with a reason against it": (
        lambda lake: lake.tell(lake.newest("ALPHA", TEN), unsealed_reason="open"),
        "ALPHA 2026-01-01T10Z: a reason against the seal stands with it",
    ),
    "a version that changed": (
        lambda lake: lake.tell(lake.newest("ALPHA", TEN), present=119, expected=119),
        "ALPHA 2026-01-01T10Z: version 1 was sealed with different content",
    ),
    "sums that do not add up": (
        lambda lake: lake.tell(lake.newest("BETA", TWELVE), missing=2),
        "BETA 2026-01-01T12Z: expected is not present + exchange_holes + missing",
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_spoiled_row_is_found_and_named(lake: Lake, name: str) -> None:
    spoil, told = MUTANTS[name]
    spoil(lake)
    check = lake.judged()
    assert not check.ok
    assert any(example.startswith(told) for example in check.examples), check.examples


def test_an_hour_that_is_left_out_is_found(lake: Lake) -> None:
    table = lake.catalog.load_table(OPS_COMPLETENESS.identifier)
    stamps = table.current_snapshot()
    assert stamps is not None
    assert stamps.summary is not None
    kept = [row for row in table.scan().to_arrow().to_pylist() if row["hour"] != TEN]
    table.delete()
    told = {key: text for key, text in stamps.summary.additional_properties.items() if key.startswith("firehose.")}
    append(lake.settings, OPS_COMPLETENESS, kept, told)
    check = lake.judged()
    assert check.breaches == 2
    assert check.examples[0] == "ALPHA 2026-01-01T10Z: silver has trades in the hour, but there is no row of it"


def test_where_the_snapshot_looked_at_is_gone_the_rows_are_judged_by_themselves(lake: Lake) -> None:
    append(lake.settings, SILVER, [], {})
    silver = lake.catalog.load_table(SILVER.identifier)
    silver.maintenance.expire_snapshots().by_ids([each.snapshot_id for each in silver.snapshots()[:-1]]).commit()
    assert lake.judged().ok
    assert str(lake.judged().figures["recomputed"]).startswith("no")
    lake.tell(lake.newest("BETA", TWELVE), missing=2)
    assert lake.judged().breaches == 1
