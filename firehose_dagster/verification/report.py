"""What `firehose verify` found: checks with figures and breaches, and what each symbol holds."""

from collections.abc import Mapping
from dataclasses import dataclass, field

EXAMPLES_SHOWN = 5
"""Breaches told one by one; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Check:
    """One statement about the lake, judged."""

    name: str
    """What should be true, as an identifier."""
    table: str
    figures: Mapping[str, int | str]
    breaches: int
    """How many places contradict it."""
    examples: tuple[str, ...] = ()
    """The first of them: what was wrong, and where."""

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts the statement."""
        return self.breaches == 0


@dataclass(frozen=True, slots=True)
class SymbolHoldings:
    """Which trades of one symbol silver holds."""

    symbol: str
    rows: int
    distinct: int
    """Distinct agg_ids."""
    first_agg_id: int
    last_agg_id: int
    missing: int
    """Ids between first and last that are neither held nor exchange holes."""
    missing_ranges: tuple[tuple[int, int], ...] = ()
    """The first of them, both ends included."""
    exchange_holes: int = 0
    """Ids between first and last that the exchange does not have."""

    @property
    def contiguous(self) -> bool:
        """Whether every id between first and last that the exchange has is held."""
        return self.missing == 0

    @property
    def doubled(self) -> int:
        """Rows beyond the first of their id."""
        return self.rows - self.distinct


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """All checks on one pinned state of the lake."""

    pinned: Mapping[str, int | str]
    """Which state: snapshot ids and the topic position."""
    checks: tuple[Check, ...]
    symbols: tuple[SymbolHoldings, ...]
    remarks: tuple[str, ...] = field(default=())
    """What a reader should know that is no breach."""

    @property
    def holds_trades(self) -> bool:
        """Whether silver has any row."""
        return bool(self.symbols)

    @property
    def ok(self) -> bool:
        """Whether there is something to prove and nothing contradicts it."""
        return self.holds_trades and all(check.ok for check in self.checks)
