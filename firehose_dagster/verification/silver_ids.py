"""Does silver hold each trade once, and every id between a symbol's first and last?"""

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.verification.exchange_holes import IdRanges, absent_ids, outside, overlap
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check, SymbolHoldings


def symbol_holdings(lake: PinnedLake) -> tuple[SymbolHoldings, ...]:
    """What silver holds of each symbol, by name."""
    held = lake.connection.execute(
        "SELECT symbol, count(*), count(DISTINCT agg_id), min(agg_id), max(agg_id) FROM silver GROUP BY 1 ORDER BY 1"
    ).fetchall()
    absent = absent_ids(lake, "holes", "silver")
    return tuple(
        _holdings(lake, symbol, rows, distinct, first, last, absent.get(symbol, ()))
        for symbol, rows, distinct, first, last in held
    )


def _holdings(
    lake: PinnedLake, symbol: str, rows: int, distinct: int, first: int, last: int, absent: IdRanges
) -> SymbolHoldings:
    holes = overlap(absent, first, last)
    missing = last - first + 1 - distinct - holes
    return SymbolHoldings(
        symbol=symbol,
        rows=rows,
        distinct=distinct,
        first_agg_id=first,
        last_agg_id=last,
        missing=missing,
        missing_ranges=_missing_ranges(lake, symbol, absent) if missing else (),
        exchange_holes=holes,
    )


def _missing_ranges(lake: PinnedLake, symbol: str, absent: IdRanges) -> IdRanges:
    gaps = lake.connection.execute(
        """
        SELECT agg_id + 1, next_id - 1
        FROM (SELECT agg_id, lead(agg_id) OVER (ORDER BY agg_id) AS next_id FROM silver WHERE symbol = ?)
        WHERE next_id > agg_id + 1 ORDER BY 1
        """,
        [symbol],
    )
    missing: list[tuple[int, int]] = []
    while len(missing) < EXAMPLES_SHOWN and (gap := gaps.fetchone()) is not None:
        missing += outside(absent, *gap)
    return tuple(missing[:EXAMPLES_SHOWN])


def silver_has_no_duplicates(lake: PinnedLake, holdings: tuple[SymbolHoldings, ...]) -> Check:
    """Each (symbol, agg_id) is there once."""
    doubled = sum(each.doubled for each in holdings)
    examples: list[tuple[object, ...]] = []
    if doubled:
        examples = lake.rows(
            f"""
            SELECT symbol, agg_id, count(*) FROM silver GROUP BY 1, 2 HAVING count(*) > 1
            ORDER BY 1, 2 LIMIT {EXAMPLES_SHOWN}
            """  # noqa: S608 a constant
        )
    return Check(
        name="silver_has_no_duplicates",
        table=SILVER.name,
        figures={"rows": sum(each.rows for each in holdings), "distinct": sum(each.distinct for each in holdings)},
        breaches=doubled,
        examples=tuple(f"{symbol} agg_id {agg_id} is there {rows} times" for symbol, agg_id, rows in examples),
    )


def silver_is_contiguous(holdings: tuple[SymbolHoldings, ...]) -> Check:
    """No id between a symbol's first and last is missing, but for those that the exchange does not have."""
    holes = [each for each in holdings if each.missing]
    return Check(
        name="silver_is_contiguous",
        table=SILVER.name,
        figures={
            "symbols": len(holdings),
            "missing": sum(each.missing for each in holes),
            "exchange_holes": sum(each.exchange_holes for each in holdings),
        },
        breaches=sum(each.missing for each in holes),
        examples=tuple(
            f"{each.symbol} lacks {each.missing} of its ids from {each.first_agg_id} to {each.last_agg_id}: "
            + ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in each.missing_ranges)
            for each in holes[:EXAMPLES_SHOWN]
        ),
    )
