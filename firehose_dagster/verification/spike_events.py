"""Does every spike that gold flags have its one event?"""

import time
from collections.abc import Set
from datetime import datetime

from firehose_dagster.contracts.spike import SPIKE_KINDS, SpikeKind, spike_id
from firehose_dagster.contracts.tables import SPIKES
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check

_POLL_SECONDS = 0.5

Key = tuple[str, datetime, SpikeKind]


def spikes_have_their_events(lake: PinnedLake, wait_seconds: float) -> Check:
    """Each flag in gold has an event, with the id that symbol, minute and kind give; no event is there twice.

    An event is appended after its gold row: those of gold's newest snapshot are waited for up to `wait_seconds`.
    An event without a flag is no breach: events are never retracted.
    """
    events = lake.connection.execute("SELECT spike_id, symbol, minute, kind FROM spikes ORDER BY 3, 2, 4").fetchall()
    examples: list[str] = []
    seen: set[str] = set()
    for identity, symbol, minute, kind in events:
        where = f"{symbol} {minute:%Y-%m-%dT%H:%MZ} {kind}"
        if kind not in SPIKE_KINDS:
            examples.append(f"{where}: its kind is not one of {', '.join(SPIKE_KINDS)}")
        elif identity != spike_id(symbol, minute, kind):
            examples.append(f"{where}: its id is {identity}, should be {spike_id(symbol, minute, kind)}")
        if identity in seen:
            examples.append(f"{where}: the event {identity} is there more than once")
        seen.add(identity)
    flagged = _flagged(lake)
    missing = {key: silver_id for key, silver_id in flagged.items() if spike_id(*key) not in seen}
    if missing and set(missing.values()) == {lake.gold_silver_snapshot_id}:
        held = _wait_for(lake, {spike_id(*key) for key in missing}, wait_seconds)
        missing = {key: silver_id for key, silver_id in missing.items() if spike_id(*key) not in held}
    examples += [
        f"{symbol} {minute:%Y-%m-%dT%H:%MZ} {kind}: gold flags it, but it has no event {spike_id(symbol, minute, kind)}"
        for symbol, minute, kind in sorted(missing)
    ]
    return Check(
        name="spikes_have_their_events",
        table=SPIKES.name,
        figures={"flags": len(flagged), "events": len(events), "missing": len(missing)},
        breaches=len(examples),
        examples=tuple(examples[:EXAMPLES_SHOWN]),
    )


def _flagged(lake: PinnedLake) -> dict[Key, int]:
    """What gold flags, and the silver snapshot the row was computed from."""
    flagged: dict[Key, int] = {}
    for kind in SPIKE_KINDS:
        for symbol, minute, silver_id in lake.connection.execute(
            f"SELECT symbol, minute, silver_snapshot_id FROM gold WHERE is_{kind}_spike"  # noqa: S608 a constant
        ).fetchall():
            flagged[symbol, minute, kind] = silver_id
    return flagged


def _wait_for(lake: PinnedLake, identities: Set[str], wait_seconds: float) -> Set[str]:
    """Those of the ids that the spikes table, read anew until it has all, holds in the end."""
    held: set[str] = set()
    table = lake.tables.get(SPIKES.name)
    deadline = time.monotonic() + wait_seconds
    while table is not None and not identities <= held:
        held = set(table.refresh().scan(selected_fields=("spike_id",)).to_arrow().column("spike_id").to_pylist())
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL_SECONDS)
    return held & identities
