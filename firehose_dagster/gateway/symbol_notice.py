"""Tells of the symbols that were asked for and bring nothing: halted ones until they trade, and those left out."""

import logging

from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.symbols import SymbolChoice, name_halted

logger = logging.getLogger(__name__)


class SymbolNotice:
    """Logged once, when it is made; `text` is for the status, and of now."""

    def __init__(self, choice: SymbolChoice, continuity: Continuity) -> None:
        self._choice = choice
        self._continuity = continuity
        self._began_at = {symbol: continuity.position(symbol) for symbol, _ in choice.not_trading}
        if choice.not_trading:
            logger.warning("event=symbols_not_trading symbols=%s", name_halted(choice.not_trading))
        if choice.left_out:
            logger.warning("event=symbols_left_out symbols=%s", ",".join(choice.left_out))

    def text(self) -> str | None:
        """What a person should know, in one line; None where every symbol is or was collected."""
        parts: list[str] = []
        if self._choice.left_out:
            parts.append(
                f"left out, for the exchange does not list them: {', '.join(self._choice.left_out)}. "
                "Correct FIREHOSE_SYMBOLS (--symbols)."
            )
        halted = [each for each in self._choice.not_trading if self._is_silent(each[0])]
        if halted:
            parts.append(
                f"not trading: {name_halted(halted)}. Subscribed all the same, and collected once trading goes on."
            )
        return " ".join(parts) or None

    def _is_silent(self, symbol: str) -> bool:
        return self._continuity.position(symbol) == self._began_at[symbol]
