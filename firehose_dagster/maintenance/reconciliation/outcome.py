"""What a reconciliation found and did, and whether the lake is complete."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from firehose_dagster.contracts.instants import from_microseconds
from firehose_dagster.maintenance.audit_trail import Figure
from firehose_dagster.maintenance.completeness.store import HOUR_US
from firehose_dagster.maintenance.reconciliation.records import Verdict

GONE = "gone"
"""A record that bronze lacks, and the topic has no more."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One run. Hours count from the epoch."""

    over_before: int
    """The hours before it were over; 0: there was no look at completeness yet, so none is known to be."""
    waiting: str | None
    """Why nothing was published; None where everything missing was."""
    hours_read: int = 0
    hours_left: int = 0
    """Hours that are due and were not read: the next run goes on."""
    trades_missing: int = 0
    """Trades of bronze that are in neither silver nor quarantine."""
    rejections_missing: int = 0
    """Texts of rejected records that quarantine does not hold."""
    holes: Mapping[str, int] = field(default_factory=dict)
    """Records of the topic that bronze lacks, by what is to become of them; empty where nothing has changed."""
    published: int = 0
    unconfirmed: int = 0
    """Records handed to Kafka of which it confirmed nothing."""
    told_lost: int = 0
    """Records told in `ops_audit` as lost from silver or quarantine."""

    @property
    def missing(self) -> int:
        """What is published again, or is to be."""
        return self.trades_missing + self.rejections_missing + self.holes.get(Verdict.WANTED, 0)

    @property
    def is_complete(self) -> bool:
        """All that is due was read, nothing is missing, and nothing is gone."""
        return not (self.missing or self.hours_left or self.holes.get(GONE, 0))

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.over_before == 0:
            return "no hour is known to be over: there was no look at completeness yet"
        until = from_microseconds(self.over_before * HOUR_US)
        if self.missing:
            done = f"{self.published:,} published" if self.waiting is None else f"nothing published: {self.waiting}"
            return f"{self.missing:,} records are missing before {until:%Y-%m-%d %H:%M} UTC; {done}"
        if self.holes.get(GONE, 0):
            return f"bronze lacks {self.holes[GONE]:,} records that the topic has no more"
        if self.hours_left:
            return f"nothing is missing in the {self.hours_read:,} hours read; {self.hours_left:,} are left"
        return f"complete before {until:%Y-%m-%d %H:%M} UTC"

    @property
    def figures(self) -> dict[str, Figure]:
        """For the audit and the metadata of the asset."""
        return {
            "summary": self.summary,
            "is_complete": self.is_complete,
            "hours_read": self.hours_read,
            "hours_left": self.hours_left,
            "trades_missing": self.trades_missing,
            "rejections_missing": self.rejections_missing,
            **{f"holes_{name.replace(' ', '_')}": number for name, number in self.holes.items()},
            "published": self.published,
            "told_lost": self.told_lost,
            "waiting": self.waiting,
        }


def to_text(outcome: Reconciliation) -> str:
    """For a terminal: the summary, and under it each figure that is not 0."""
    told = [
        ("hours read", outcome.hours_read),
        ("hours left for the next run", outcome.hours_left),
        ("trades in neither silver nor quarantine", outcome.trades_missing),
        ("rejected records that quarantine lacks", outcome.rejections_missing),
        *((f"records that bronze lacks, {name}", number) for name, number in outcome.holes.items()),
        ("records published", outcome.published),
        ("records told as lost in ops_audit", outcome.told_lost),
    ]
    lines = [f"  {name:<45} {number:>12,}" for name, number in told if number]
    return "\n".join([outcome.summary, *lines])
