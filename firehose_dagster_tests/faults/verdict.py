"""Whether silver holds what the exchange says exists: pure, so that each way of being wrong is tested."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from firehose_dagster_tests.pipeline.recorded_trades import Trade

_RANGES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class SymbolVerdict:
    """One symbol: ids missing, ids there without the exchange knowing them, rows too many, rows of other content."""

    symbol: str
    trades: int
    """That exist."""
    missing: tuple[int, ...]
    unknown: tuple[int, ...]
    double: int
    different: tuple[int, ...]

    @property
    def is_green(self) -> bool:
        """Silver is exactly what exists."""
        return not (self.missing or self.unknown or self.double or self.different)

    @property
    def reason(self) -> str:
        """Why it is red, in one line; empty where it is green."""
        parts = [
            f"{len(self.missing)} missing ({_ranges(self.missing)})" if self.missing else "",
            f"{len(self.unknown)} that do not exist ({_ranges(self.unknown)})" if self.unknown else "",
            f"{self.double} double" if self.double else "",
            f"{len(self.different)} of other content ({_ranges(self.different)})" if self.different else "",
        ]
        told = ", ".join(part for part in parts if part)
        return f"{self.symbol}: {told}" if told else ""


def judge(symbol: str, existing: Sequence[Trade], held: Sequence[Trade]) -> SymbolVerdict:
    """Compare what exists with the rows of silver, both of this symbol and of the same span of ids."""
    by_id = {trade.agg_id: trade for trade in existing}
    counts = Counter(trade.agg_id for trade in held)
    return SymbolVerdict(
        symbol=symbol,
        trades=len(by_id),
        missing=tuple(sorted(by_id.keys() - counts.keys())),
        unknown=tuple(sorted(counts.keys() - by_id.keys())),
        double=sum(counts.values()) - len(counts),
        different=tuple(sorted({row.agg_id for row in held if row.agg_id in by_id and row != by_id[row.agg_id]})),
    )


def _ranges(ids: Sequence[int]) -> str:
    starts = [ids[0], *(later for earlier, later in pairwise(ids) if later != earlier + 1)]
    ends = [*(earlier for earlier, later in pairwise(ids) if later != earlier + 1), ids[-1]]
    shown = [
        str(start) if start == end else f"{start} to {end}"
        for start, end in list(zip(starts, ends, strict=True))[:_RANGES_SHOWN]
    ]
    return ", ".join(shown) + (", ..." if len(starts) > _RANGES_SHOWN else "")
