"""The figures of a spike event, recomputed from silver as it was when the event was raised.

That was after some batch, so the minute's trades of then are its first ones in the order of the topic: those whose
quantities add up to the event's volume. No snapshot of then is asked, which is long expired, nor any row of the audit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from firehose_dagster.contracts.instants import from_microseconds
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.verification.gold_definition import MINUTE_US, BaseMinute, DerivedFeatures, SpikeRule, features_of
from firehose_dagster.verification.minutes_taken_again import find_minutes_taken_again
from firehose_dagster.verification.pinned_lake import PinnedLake, before

_REFERENCE_MINUTES = 30
_EXACT = Context(prec=60)
_PLACES = 8


@dataclass(frozen=True, slots=True)
class _Event:
    id: str
    symbol: str
    kind: str
    score: Decimal
    price: Decimal
    vwap: Decimal
    volume: Decimal
    return_1m: Decimal | None
    minute: int
    trades_held: int
    is_plain: bool
    """The minute's trades are of one partition, and none was lost and came again: their offsets are their order."""
    last_offset: int | None
    """Of the last of the first trades that add up to the volume; None where no first trades do."""


def wrong_figures(lake: PinnedLake) -> tuple[int, list[str]]:
    """How many events were recomputed in full, and what is wrong with which.

    Score and return are not judged where a trade of the minutes before came between the event's last trade and the next
    one of its minute: whether it was there is not told. A score may be that of any length of history, for that can be
    set. A minute whose trades lie in two partitions, or were lost and came again, has no order to go by.
    """
    find_minutes_taken_again(lake, _REFERENCE_MINUTES)
    _find_last_trades(lake)
    events = [
        _Event(*row)
        for row in lake.connection.execute(
            "SELECT * EXCLUDE (kafka_partition, next_offset) FROM event_ends ORDER BY 2, 9, 3"
        ).fetchall()
    ]
    minutes = _minutes_until(lake)
    wrong: list[str] = []
    judged = 0
    for event in events:
        found, is_in_full = _judged(event, minutes.get(event.id, {}))
        judged += is_in_full
        wrong += [
            f"{event.symbol} {from_microseconds(event.minute * MINUTE_US):%Y-%m-%dT%H:%MZ} {event.kind}: {what}"
            for what in found
        ]
    return judged, wrong


def _judged(event: _Event, minutes: Mapping[int, tuple[BaseMinute | None, bool]]) -> tuple[list[str], bool]:
    if event.trades_held == 0:
        return ["there is an event, but silver has no trade in the minute"], False
    if not event.is_plain:
        return [], False
    if event.last_offset is None:
        return [f"volume {event.volume} is not that of the minute's first trades, however many"], False
    this, _ = minutes[event.minute]
    assert this is not None  # noqa: S101 - its last trade was just found
    earlier = [base for minute, (base, _) in sorted(minutes.items()) if minute < event.minute and base is not None]
    is_clear = all(clear for minute, (_, clear) in minutes.items() if minute < event.minute)
    recomputed = _features(this, earlier, _REFERENCE_MINUTES)
    told: list[tuple[str, Decimal | None, Decimal | None]] = [
        ("price", event.price, _decimal(this.close)),
        ("vwap", event.vwap, _decimal(recomputed.vwap)),
    ]
    if is_clear:
        returned = None if recomputed.return_1m is None else _decimal(recomputed.return_1m)
        told.append(("return_1m", event.return_1m, returned))
    wrong = [f"{name} {held}, should be {should_be}" for name, held, should_be in told if held != should_be]
    lengths = range(_REFERENCE_MINUTES, 0, -1)
    if is_clear and not any(_score(event, _features(this, earlier, length)) == event.score for length in lengths):
        wrong.append(f"score {event.score}, should be {_score(event, recomputed)}")
    return wrong, is_clear


def _features(this: BaseMinute, earlier: list[BaseMinute], history_minutes: int) -> DerivedFeatures:
    rule = SpikeRule(history_minutes, 1, Fraction(1), Fraction(1), Fraction(0))
    return features_of(this, earlier, rule, 0, lambda symbol, first, last: 0)


def _score(event: _Event, features: DerivedFeatures) -> Decimal:
    """Where the minutes before had no range, a price has no finite score: the event says 0."""
    score = features.price_spike_score if event.kind == "price" else features.volume_spike_score
    return _decimal(score or 0)


def _find_last_trades(lake: PinnedLake) -> None:
    """The table `event_ends`: each event that silver is not behind of, and up to which trade its minute went then.

    Behind it is also while it is made anew from bronze, which then holds more of the event's minute.
    """
    lake.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE minutes_on_their_way AS
        SELECT DISTINCT symbol, epoch_us(event_ts) // {MINUTE_US} AS minute_number
        FROM bronze_all WHERE raw IS NULL AND NOT ({before(lake.position)});

        CREATE OR REPLACE TEMP TABLE event_ends AS
        WITH judged AS (
            SELECT *, epoch_us(minute) // {MINUTE_US} AS minute_number FROM spikes
            ANTI JOIN minutes_on_their_way w
                ON w.symbol = spikes.symbol AND w.minute_number = epoch_us(spikes.minute) // {MINUTE_US}
            WHERE {_reached(lake)}
            QUALIFY row_number() OVER (PARTITION BY spike_id ORDER BY detected_at) = 1
        ), trades AS (
            SELECT e.spike_id, e.volume, s.kafka_partition, s.kafka_offset, s.source,
                sum(s.qty) OVER in_order AS so_far, lead(s.kafka_offset) OVER in_order AS next_offset
            FROM judged e JOIN silver s ON s.symbol = e.symbol AND epoch_us(s.event_ts) // {MINUTE_US} = e.minute_number
            WINDOW in_order AS (PARTITION BY e.spike_id ORDER BY s.kafka_offset)
        ), ends AS (
            SELECT spike_id, count(*) AS trades_held,
                min(kafka_partition) = max(kafka_partition) AND NOT bool_or(source = 'replay') AS is_plain,
                min(kafka_partition) AS kafka_partition, min(kafka_offset) FILTER (so_far = volume) AS last_offset,
                min(next_offset) FILTER (so_far = volume) AS next_offset
            FROM trades GROUP BY 1
        )
        SELECT spike_id, e.symbol, e.kind, e.score, e.price, e.vwap, e.volume, e.return_1m, e.minute_number,
            coalesce(trades_held, 0) AS trades_held,
            coalesce(is_plain, false) AND again.symbol IS NULL AS is_plain, last_offset, kafka_partition, next_offset
        FROM judged e LEFT JOIN ends USING (spike_id)
        LEFT JOIN minutes_taken_again again ON again.symbol = e.symbol AND again.minute_number = e.minute_number
        """  # noqa: S608 numbers only
    )


def _reached(lake: PinnedLake) -> str:
    """SQL: the event is of a state of silver that the pinned one came after; a newer one is on its way."""
    silver = lake.tables.get(SILVER.name)
    pinned = (
        None if silver is None or lake.silver_snapshot_id is None else silver.snapshot_by_id(lake.silver_snapshot_id)
    )
    if silver is None or pinned is None:
        return "false"
    known = ", ".join(str(snapshot.snapshot_id) for snapshot in silver.snapshots())
    return f"silver_snapshot_id IN ({known}) OR epoch_ms(detected_at) <= {pinned.timestamp_ms}"


def _minutes_until(lake: PinnedLake) -> Mapping[str, Mapping[int, tuple[BaseMinute | None, bool]]]:
    """By event: its minute and those before it, each of the trades up to the event's last one, None without any, and
    whether it is clear that none more was there."""
    lake.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE event_spans AS
        SELECT *, unnest(range({_REFERENCE_MINUTES + 1})) AS back
        FROM event_ends WHERE is_plain AND last_offset IS NOT NULL
        """  # noqa: S608 numbers only
    )
    held = "FILTER (s.kafka_offset <= e.last_offset)"
    rows = lake.connection.sql(
        f"""
        SELECT e.spike_id, e.symbol, e.minute_number - e.back AS minute,
            arg_min(s.price, s.agg_id) {held} AS open, max(s.price) {held} AS high, min(s.price) {held} AS low,
            arg_max(s.price, s.agg_id) {held} AS close, sum(s.qty) {held} AS volume,
            sum(s.price * s.qty) {held} AS quote_volume, count(*) {held} AS trades,
            min(s.agg_id) {held} AS first_agg_id, max(s.agg_id) {held} AS last_agg_id,
            NOT bool_or(
                s.source = 'replay' OR again.symbol IS NOT NULL OR s.kafka_partition <> e.kafka_partition OR (
                    s.kafka_offset > e.last_offset AND s.kafka_offset < coalesce(e.next_offset, s.kafka_offset + 1)
                )
            ) AS is_clear
        FROM event_spans e
        LEFT JOIN minutes_taken_again again
            ON again.symbol = e.symbol AND again.minute_number = e.minute_number - e.back
        JOIN silver s ON s.symbol = e.symbol AND epoch_us(s.event_ts) // {MINUTE_US} = e.minute_number - e.back
        GROUP BY 1, 2, 3
        """  # noqa: S608 numbers only
    ).to_arrow_table()
    found: dict[str, dict[int, tuple[BaseMinute | None, bool]]] = {}
    for spike_id, is_clear, base in _bases(rows.to_batches(10_000)):
        found.setdefault(spike_id, {})[base["minute"]] = (BaseMinute(**base) if base["trades"] else None, is_clear)
    return found


def _bases(batches: Sequence[Any]) -> Iterator[tuple[str, bool, dict[str, Any]]]:
    for batch in batches:
        for row in batch.to_pylist():
            spike_id, is_clear = row.pop("spike_id"), row.pop("is_clear")
            for name in ("open", "high", "low", "close", "volume"):
                row[name] = _units(row[name], _PLACES)
            row["quote_volume"] = _units(row["quote_volume"], 2 * _PLACES)
            yield spike_id, is_clear, row


def _units(value: Decimal | None, places: int) -> int:
    return 0 if value is None else int(value.scaleb(places, _EXACT))


def _decimal(units: int) -> Decimal:
    return Decimal(units).scaleb(-_PLACES, _EXACT)
