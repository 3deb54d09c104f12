"""The symbols asked for -> the symbols to collect, checked against what the exchange trades."""

from collections.abc import Mapping, Sequence

from firehose_dagster.gateway.errors import UnknownSymbolsError
from firehose_dagster.settings import ALL_SYMBOLS

TRADING = "TRADING"


def resolve_symbols(wanted: Sequence[str], statuses: Mapping[str, str], url: str) -> tuple[str, ...]:
    """`wanted`, each once; `ALL` means every symbol that trades. Raises UnknownSymbolsError naming all others."""
    if ALL_SYMBOLS in wanted:
        trading = tuple(sorted(symbol for symbol, status in statuses.items() if status == TRADING))
        if not trading:
            raise UnknownSymbolsError([ALL_SYMBOLS], [], url)
        return trading
    unique = tuple(dict.fromkeys(wanted))
    unknown = [symbol for symbol in unique if symbol not in statuses]
    not_trading = [(symbol, statuses[symbol]) for symbol in unique if statuses.get(symbol, TRADING) != TRADING]
    if unknown or not_trading:
        raise UnknownSymbolsError(unknown, not_trading, url)
    return unique
