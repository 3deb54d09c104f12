"""A reader that pins keeps its snapshot; one that comes too late is told so."""

from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Self

import pytest

from firehose_dagster.maintenance.expiry import readers
from firehose_dagster.maintenance.expiry.plan import ExpiryPolicy, Needs
from firehose_dagster.maintenance.expiry.readers import PinRefusedError, pin, pins_of, release
from firehose_dagster.maintenance.expiry.table_expiry import Expiry
from firehose_dagster_tests.maintenance.small_tables import IDENTIFIER, append, make_lake

HOUR = timedelta(hours=1)


def test_a_pinned_snapshot_outlives_expiry_until_it_is_let_go(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    (held,) = pin(catalog, "notebook", {IDENTIFIER: None}, min_age=HOUR)
    append(catalog, 1)
    append(catalog, 2)
    expiry = Expiry(settings, catalog, "ops_deliveries", IDENTIFIER, quiet_after_seconds=0)
    policy = ExpiryPolicy(timedelta(0), 1)
    assert expiry.run(lambda _: Needs(), policy).snapshots_expired == 1
    assert catalog.load_table(IDENTIFIER).scan(snapshot_id=held.snapshot_id).to_arrow().num_rows == 1
    assert list(pins_of(catalog.load_table(IDENTIFIER))) == [held]
    release(catalog, "notebook", [IDENTIFIER])
    assert expiry.run(lambda _: Needs(), policy).snapshots_expired == 1


def test_a_pin_ends_by_itself(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    (held,) = pin(catalog, "notebook", {IDENTIFIER: None}, min_age=HOUR, lasts=timedelta(0))
    append(catalog, 1)
    expiry = Expiry(settings, catalog, "ops_deliveries", IDENTIFIER, quiet_after_seconds=0)
    outcome = expiry.run(lambda _: Needs(), ExpiryPolicy(timedelta(0), 1))
    assert outcome.refs_expired == ("reader.notebook",)
    assert catalog.load_table(IDENTIFIER).snapshot_by_id(held.snapshot_id) is None


def test_a_snapshot_that_expiry_may_be_about_to_take_cannot_be_pinned(tmp_path: Path) -> None:
    _, catalog = make_lake(tmp_path)
    first = append(catalog, 0)
    append(catalog, 1)
    with pytest.raises(PinRefusedError, match="was superseded at"):
        pin(catalog, "late", {IDENTIFIER: first}, min_age=timedelta(0))
    with pytest.raises(PinRefusedError, match="has no snapshot 42"):
        pin(catalog, "late", {IDENTIFIER: 42}, min_age=HOUR)
    with pytest.raises(PinRefusedError, match="names no reader"):
        pin(catalog, "", {IDENTIFIER: None}, min_age=HOUR)
    assert list(pins_of(catalog.load_table(IDENTIFIER))) == []


class _AnHourLater(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) + HOUR


def test_an_old_snapshot_that_a_tag_holds_can_be_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, catalog = make_lake(tmp_path)
    first = append(catalog, 0)
    append(catalog, 1)
    monkeypatch.setattr(readers, "datetime", _AnHourLater)
    with pytest.raises(PinRefusedError, match="was superseded at"):
        pin(catalog, "reader", {IDENTIFIER: first}, min_age=timedelta(minutes=1), lasts=HOUR)
    catalog.load_table(IDENTIFIER).manage_snapshots().create_tag(first, "sealed").commit()
    (held,) = pin(catalog, "reader", {IDENTIFIER: first}, min_age=timedelta(minutes=1), lasts=HOUR)
    assert held.snapshot_id == first


def test_a_table_without_a_snapshot_is_left_out(tmp_path: Path) -> None:
    _, catalog = make_lake(tmp_path)
    assert pin(catalog, "early", {IDENTIFIER: None}, min_age=HOUR) == ()


def test_a_pin_that_came_too_slowly_is_refused_and_let_go(tmp_path: Path) -> None:
    _, catalog = make_lake(tmp_path)
    append(catalog, 0)
    with pytest.raises(PinRefusedError, match="could not be pinned in time"):
        pin(catalog, "slow", {IDENTIFIER: None}, min_age=timedelta(0))
    assert list(pins_of(catalog.load_table(IDENTIFIER))) == []
