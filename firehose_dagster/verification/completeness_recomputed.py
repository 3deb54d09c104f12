"""Is `ops_completeness` what silver and the exchange holes say, hour by hour, and is every seal earned?"""

import pyarrow as pa

from firehose_dagster.contracts.ops_tables import OPS_COMPLETENESS
from firehose_dagster.verification.exchange_holes import absent_ids
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check

_FIGURES = ("first_agg_id", "last_agg_id", "expected", "present", "exchange_holes", "missing")
_ABSENT = pa.schema([("symbol", pa.string()), ("first", pa.int64()), ("last", pa.int64())])


def completeness_equals_recomputation(lake: PinnedLake) -> Check:
    """The newest row of each hour has the figures of silver, as of the look that wrote last; none is left out.

    A sealed hour lacks nothing, its start is known, and nothing is missing between it and the symbol's next trade. Two
    sealed rows of one hour and version say the same. Where the snapshot looked at was expired since, only seals and
    sums of the rows themselves are judged.
    """
    lake.connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE newest_looks AS SELECT * FROM completeness
        QUALIFY row_number() OVER (PARTITION BY symbol, hour ORDER BY checked_at DESC, seal_version DESC) = 1
        """
    )
    is_recomputed = lake.completeness_silver_snapshot_id is not None
    lake.connection.execute(f"CREATE OR REPLACE TEMP TABLE wrong_looks AS {_SELF_CONTRADICTIONS}")
    if is_recomputed:
        _make_hours(lake)
        lake.connection.execute(f"INSERT INTO wrong_looks {_OTHER_FIGURES}")
        lake.connection.execute(f"INSERT INTO wrong_looks {_UNEARNED_SEALS}")
    found = lake.connection.execute(
        "SELECT symbol, strftime(hour, '%Y-%m-%dT%HZ'), what FROM wrong_looks ORDER BY symbol, hour, what LIMIT ?",
        [EXAMPLES_SHOWN],
    ).fetchall()
    return Check(
        name="completeness_equals_recomputation",
        table=OPS_COMPLETENESS.name,
        figures={
            "hours": lake.whole_number("SELECT count(*) FROM newest_looks"),
            "sealed": lake.whole_number("SELECT count(*) FROM newest_looks WHERE is_sealed"),
            "missing": lake.whole_number("SELECT sum(missing) FROM newest_looks"),
            "recomputed": "yes" if is_recomputed else "no: the snapshot looked at is gone, or there was no look",
        },
        breaches=lake.whole_number("SELECT count(*) FROM wrong_looks"),
        examples=tuple(f"{symbol} {hour}: {what}" for symbol, hour, what in found),
    )


def _make_hours(lake: PinnedLake) -> None:
    """The table `true_hours`: each symbol's hours with trades, and what lies between them."""
    absent = absent_ids(lake, "holes_of_completeness", "silver_of_completeness")
    ranges = [
        {"symbol": symbol, "first": first, "last": last} for symbol, held in absent.items() for first, last in held
    ]
    lake.connection.register("absent_ranges", pa.Table.from_pylist(ranges, schema=_ABSENT))
    lake.connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE true_hours AS
        WITH with_before AS (
            SELECT symbol, agg_id, date_trunc('hour', event_ts) AS hour,
                lag(agg_id) OVER (PARTITION BY symbol ORDER BY agg_id) AS before
            FROM silver_of_completeness
        ), gaps AS (
            SELECT symbol, hour, before + 1 AS first, agg_id - 1 AS last FROM with_before WHERE agg_id > before + 1
        ), filled AS (
            SELECT g.symbol, g.hour, g.first, g.last,
                -- A gap that meets no hole has no row of `a`, and least() would pass over its NULL.
                coalesce(sum(least(g.last, a.last) - greatest(g.first, a.first) + 1)
                    FILTER (a.symbol IS NOT NULL), 0)::BIGINT AS absent
            FROM gaps g LEFT JOIN absent_ranges a
                ON a.symbol = g.symbol AND a.first <= g.last AND a.last >= g.first
            GROUP BY ALL
        ), gap_sums AS (
            SELECT symbol, hour, sum(last - first + 1)::BIGINT AS ids, sum(absent)::BIGINT AS absent,
                min(first) FILTER (last - first + 1 > absent) AS first_missing
            FROM filled GROUP BY ALL
        ), hours AS (
            SELECT symbol, hour, min(agg_id) AS first_agg_id, max(agg_id) AS last_agg_id,
                count(*) FILTER (before IS DISTINCT FROM agg_id) AS present,
                bool_or(before IS NULL) AS is_start
            FROM with_before GROUP BY ALL
        )
        SELECT h.*, h.present + coalesce(g.ids, 0) AS expected, coalesce(g.absent, 0) AS exchange_holes,
            coalesce(g.ids - g.absent, 0) AS missing,
            coalesce(g.first_missing < h.first_agg_id, false) AS lacks_before
        FROM hours h LEFT JOIN gap_sums g ON g.symbol = h.symbol AND g.hour = h.hour
        """
    )
    lake.connection.unregister("absent_ranges")


_OTHER_FIGURES = f"""
SELECT coalesce(t.symbol, n.symbol), coalesce(t.hour, n.hour),
    CASE
        WHEN n.symbol IS NULL THEN 'silver has trades in the hour, but there is no row of it'
        WHEN t.symbol IS NULL THEN 'the row tells of ' || n.present || ' trades, silver has none'
        ELSE concat_ws('; ', {
    ", ".join(
        f"CASE WHEN n.{name} IS DISTINCT FROM t.{name} THEN '{name} ' || coalesce(n.{name}::VARCHAR, 'null') "
        f"|| ', should be ' || t.{name} END"
        for name in _FIGURES
    )
})
    END
FROM true_hours t FULL JOIN newest_looks n ON n.symbol = t.symbol AND n.hour = t.hour
WHERE n.symbol IS NULL OR (t.symbol IS NULL AND n.present > 0)
    OR (t.symbol IS NOT NULL AND ({" OR ".join(f"n.{name} IS DISTINCT FROM t.{name}" for name in _FIGURES)}))
"""  # noqa: S608 columns of the contract

_UNEARNED_SEALS = """
SELECT n.symbol, n.hour,
    CASE
        WHEN n.hour <= (SELECT min(t.hour) FROM true_hours t WHERE t.symbol = n.symbol AND t.is_start)
            THEN 'it is sealed, though nothing says where it begins'
        WHEN f.symbol IS NULL THEN 'it is sealed, though the symbol has no later trade that proves its end'
        ELSE 'it is sealed, though ids are missing between it and the next trade'
    END
FROM newest_looks n ASOF LEFT JOIN true_hours f ON f.symbol = n.symbol AND f.hour > n.hour
WHERE n.is_sealed AND (
    f.symbol IS NULL OR f.lacks_before
    OR n.hour <= (SELECT min(t.hour) FROM true_hours t WHERE t.symbol = n.symbol AND t.is_start)
)
"""

_SELF_CONTRADICTIONS = """
SELECT symbol, hour,
    CASE
        WHEN is_sealed <> (unsealed_reason IS NULL) THEN 'a reason against the seal stands with it, or none without it'
        WHEN is_sealed AND missing > 0 THEN 'it is sealed, though ' || missing || ' ids are missing'
        WHEN is_sealed AND seal_version < 1 THEN 'it is sealed, but has no version'
        ELSE 'expected is not present + exchange_holes + missing'
    END AS what
FROM completeness
WHERE is_sealed <> (unsealed_reason IS NULL) OR (is_sealed AND (missing > 0 OR seal_version < 1))
    OR expected <> present + exchange_holes + missing
UNION ALL
SELECT symbol, hour, 'version ' || seal_version || ' was sealed with different content'
FROM completeness WHERE is_sealed GROUP BY symbol, hour, seal_version
HAVING count(DISTINCT (first_agg_id, last_agg_id, expected, present, exchange_holes)) > 1
"""
