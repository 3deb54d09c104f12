"""Does every spike that gold flags have its one event, and does it tell what silver held then?"""

from datetime import datetime

from firehose_dagster.contracts.spike import SPIKE_KINDS, SpikeKind, spike_id
from firehose_dagster.contracts.trade_tables import SPIKES
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check
from firehose_dagster.verification.spike_figures import wrong_figures

Key = tuple[str, datetime, SpikeKind]


def spikes_have_their_events(lake: PinnedLake) -> Check:
    """Each flag in gold has an event, with the id that symbol, minute and kind give; no event is there twice.

    Events are committed before the gold rows that flag them, and read after them here, so none is merely on its way.
    An event without a flag is no breach: events are never retracted. Its figures are recomputed from silver.
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
    missing = [key for key in flagged if spike_id(*key) not in seen]
    examples += [
        f"{symbol} {minute:%Y-%m-%dT%H:%MZ} {kind}: gold flags it, but it has no event {spike_id(symbol, minute, kind)}"
        for symbol, minute, kind in sorted(missing)
    ]
    judged, wrong = wrong_figures(lake)
    examples += wrong
    return Check(
        name="spikes_have_their_events",
        table=SPIKES.name,
        figures={"flags": len(flagged), "events": len(events), "missing": len(missing), "recomputed": judged},
        breaches=len(examples),
        examples=tuple(examples[:EXAMPLES_SHOWN]),
    )


def _flagged(lake: PinnedLake) -> set[Key]:
    """What gold flags."""
    return {
        (symbol, minute, kind)
        for kind in SPIKE_KINDS
        for symbol, minute in lake.connection.execute(
            f"SELECT symbol, minute FROM gold WHERE is_{kind}_spike"  # noqa: S608 a constant
        ).fetchall()
    }
