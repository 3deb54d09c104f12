"""The symbols asked for -> the symbols to collect, by what the exchange lists and what is held. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from firehose_dagster.gateway.errors import NoSymbolLeftError, UnknownSymbolsError
from firehose_dagster.settings import ALL_SYMBOLS

TRADING = "TRADING"


@dataclass(frozen=True, slots=True)
class SymbolChoice:
    """What becomes of each symbol that was asked for."""

    collected: tuple[str, ...]
    not_trading: tuple[tuple[str, str], ...] = ()
    """Those of the collected that are halted, with their status: their streams are silent until trading goes on."""
    left_out: tuple[str, ...] = ()
    """Not listed; once collected, as far as can be told."""


def candidate_symbols(wanted: Sequence[str], statuses: Mapping[str, str]) -> tuple[str, ...]:
    """Each symbol that may be meant by `wanted`, once; `ALL` may mean every one that the exchange lists."""
    return tuple(sorted(statuses)) if ALL_SYMBOLS in wanted else tuple(dict.fromkeys(wanted))


def listed_symbols(wanted: Sequence[str], statuses: Mapping[str, str], url: str) -> tuple[str, ...]:
    """The candidates that the exchange lists. Raises NoSymbolLeftError where it lists none."""
    listed = tuple(symbol for symbol in candidate_symbols(wanted, statuses) if symbol in statuses)
    if not listed:
        raise NoSymbolLeftError(f"lists none of {', '.join(wanted)}", url)
    return listed


def choose_symbols(
    wanted: Sequence[str],
    statuses: Mapping[str, str],
    *,
    known: Collection[str],
    url: str,
    is_lake_away: bool = False,
) -> SymbolChoice:
    """What to collect, where trades of `known` are held; a halt or a delisting holds up no other symbol.

    A listed symbol is collected whether it trades or not. One that is listed no more is left out where its trades are
    held, or where the lake, which may hold them, does not answer. `ALL` means the listed ones that trade or are known.
    Raises UnknownSymbolsError naming those that are neither listed nor held, NoSymbolLeftError.
    """
    listed = listed_symbols(wanted, statuses, url)
    if ALL_SYMBOLS in wanted:
        listed = tuple(symbol for symbol in listed if statuses[symbol] == TRADING or symbol in known)
        if not listed:
            raise NoSymbolLeftError("trades no symbol now", url)
    left_out = tuple(symbol for symbol in candidate_symbols(wanted, statuses) if symbol not in statuses)
    unknown = [symbol for symbol in left_out if symbol not in known]
    if unknown and not is_lake_away:
        raise UnknownSymbolsError(unknown, url)
    not_trading = tuple((symbol, statuses[symbol]) for symbol in listed if statuses[symbol] != TRADING)
    return SymbolChoice(listed, not_trading, left_out)


def name_halted(not_trading: Sequence[tuple[str, str]]) -> str:
    """`OLDUSDT (status BREAK), ...`, for people."""
    return ", ".join(f"{symbol} (status {status})" for symbol, status in not_trading)
