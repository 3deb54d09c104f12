"""What the exchange does not have is not missing: in silver, and in gold; unless silver holds it."""

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.contracts.ops_tables import OPS_EXCHANGE_HOLES
from firehose_dagster.contracts.position import HOLES_SNAPSHOT, SILVER_SNAPSHOT
from firehose_dagster.contracts.trade_tables import GOLD, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.exchange_holes import ExchangeHole, append_holes
from firehose_dagster.settings import Settings
from firehose_dagster.verification.exchange_holes import merged, outside, overlap, without
from firehose_dagster.verification.rendering import to_text
from firehose_dagster.verification.report import VerificationReport
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.small_lake import gold_of, small_lake, write, write_gold

IDS = st.integers(0, 40)
RANGES = st.lists(st.tuples(IDS, IDS).map(lambda pair: (min(pair), max(pair))), max_size=6)


@given(RANGES, st.sets(IDS, max_size=6), IDS, IDS)
def test_ranges_do_what_sets_would(ranges: list[tuple[int, int]], held: set[int], first: int, last: int) -> None:
    expected = {agg_id for low, high in ranges for agg_id in range(low, high + 1)} - held
    found = without(merged(ranges), held)
    assert [agg_id for low, high in found for agg_id in range(low, high + 1)] == sorted(expected)
    asked = set(range(first, last + 1))
    assert overlap(found, first, last) == len(asked & expected)
    assert [agg_id for low, high in outside(found, first, last) for agg_id in range(low, high + 1)] == sorted(
        asked - expected
    )


def _settings(home: Path) -> Settings:
    return Settings(home=home, _env_file=None)  # type: ignore[call-arg]  # pydantic-settings takes it


def _without_1020_to_1024(home: Path, *holes: tuple[int, int]) -> Settings:
    """BETA lacks these ids from its first commit to bronze on, and gold knows what it is told of them."""
    settings, lake = _settings(home), small_lake()
    lake.silver = [row for row in lake.silver if not (row["symbol"] == "BETA" and 1_020 <= row["agg_id"] <= 1_024)]
    lake.gold = gold_of(lake.silver)
    write(settings, lake)
    append_holes(
        open_catalog(settings),
        [ExchangeHole("BETA", first, last, last + 1, datetime(2026, 1, 1, tzinfo=UTC)) for first, last in holes],
    )
    return settings


def _check(report: VerificationReport, name: str) -> tuple[int, dict[str, int | str]]:
    (check,) = (check for check in report.checks if check.name == name)
    return check.breaches, dict(check.figures)


def test_silver_is_contiguous_but_for_what_the_exchange_does_not_have(tmp_path: Path) -> None:
    report = verify(_without_1020_to_1024(tmp_path, (1_021, 1_022), (1_022, 1_023), (5_000, 6_000)))
    assert _check(report, "silver_is_contiguous") == (2, {"symbols": 2, "missing": 2, "exchange_holes": 3})
    beta = report.symbols[1]
    assert (beta.missing, beta.exchange_holes, beta.missing_ranges) == (2, 3, ((1_020, 1_020), (1_024, 1_024)))
    assert not beta.contiguous
    assert "exchange holes" in to_text(report)


def test_with_every_missing_id_a_hole_the_symbol_is_contiguous(tmp_path: Path) -> None:
    report = verify(_without_1020_to_1024(tmp_path, (1_020, 1_024)))
    assert _check(report, "silver_is_contiguous") == (0, {"symbols": 2, "missing": 0, "exchange_holes": 5})
    assert report.symbols[1].contiguous


def test_a_hole_of_which_silver_holds_an_id_is_believed_for_the_others_alone(tmp_path: Path) -> None:
    report = verify(_without_1020_to_1024(tmp_path, (1_010, 1_024)))
    assert _check(report, "silver_is_contiguous")[0] == 0
    assert report.symbols[1].exchange_holes == 5


def test_gold_is_judged_on_the_holes_that_it_says_it_knew(tmp_path: Path) -> None:
    settings = _without_1020_to_1024(tmp_path, (1_020, 1_024))
    # Gold was written before the hole was told: its minutes lack ids.
    before = verify(settings)
    assert _check(before, "gold_equals_recomputation")[0] == 0
    complete = _check(before, "gold_equals_recomputation")[1]["complete"]
    catalog = open_catalog(settings)
    silver = catalog.load_table(SILVER.identifier).current_snapshot()
    holes = catalog.load_table(OPS_EXCHANGE_HOLES.identifier).current_snapshot()
    assert silver is not None
    assert holes is not None
    gold = catalog.load_table(GOLD.identifier)
    rows = gold.scan().to_arrow()
    stamps = {SILVER_SNAPSHOT: str(silver.snapshot_id), HOLES_SNAPSHOT: str(holes.snapshot_id)}
    gold.overwrite(rows, snapshot_properties=stamps)
    # The five ids lie in minutes 10, 11 and 12: 1020, 1021 | 1022, 1023 | 1024, and 1025 is held. Two minutes are gone,
    # and the third is told to be incomplete, though it lacks only what never was.
    after = verify(settings)
    assert _check(after, "gold_equals_recomputation")[0] == 1
    assert _check(after, "gold_equals_recomputation")[1]["complete"] == int(complete) + 1
    (gold_check,) = (check for check in after.checks if check.name == "gold_equals_recomputation")
    assert gold_check.examples == ("BETA 2026-01-01T09:52Z: is_complete false, should be true",)


def test_gold_that_calls_a_minute_complete_for_a_hole_it_did_not_know_is_wrong(tmp_path: Path) -> None:
    settings = _without_1020_to_1024(tmp_path, (1_020, 1_024))
    silver = open_catalog(settings).load_table(SILVER.identifier).current_snapshot()
    assert silver is not None
    rows = open_catalog(settings).load_table(GOLD.identifier).scan().to_arrow().to_pylist()
    changed = [
        row | {"is_complete": True} if row["symbol"] == "BETA" and row["minute"].minute == 52 else row for row in rows
    ]
    write_gold(settings, changed, silver.snapshot_id)
    assert _check(verify(settings), "gold_equals_recomputation")[0] == 1
