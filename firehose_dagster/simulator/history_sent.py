"""Which symbols of a synthetic market had their history sent, remembered over restarts of the exchange.

Binance sends nothing from the past to who subscribes. A new lake gets some history all the same, so that there is
something to compare with; a restart must not send it again.
"""

import logging
from pathlib import Path

import msgspec

logger = logging.getLogger(__name__)


class _Content(msgspec.Struct, frozen=True):
    seed: int
    symbols: tuple[str, ...]


class HistorySent:
    """Held in a small JSON file; without a path only as long as the process lives."""

    def __init__(self, path: Path | None, seed: int) -> None:
        """A file of another seed, or one that cannot be read, is as none."""
        self._path = path
        self._seed = seed
        self._symbols: dict[str, None] = {}
        if path is not None and path.is_file():
            try:
                content = msgspec.json.decode(path.read_bytes(), type=_Content)
            except msgspec.DecodeError as error:
                logger.warning("event=history_sent_unreadable path=%s reason=%s", path, error)
                return
            if content.seed == seed:
                self._symbols = dict.fromkeys(content.symbols)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._symbols

    def add(self, symbol: str) -> None:
        """Note that the symbol's history was handed to a client."""
        if symbol in self._symbols:
            return
        self._symbols[symbol] = None
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial = self._path.with_suffix(".partial")
            partial.write_bytes(msgspec.json.encode(_Content(self._seed, tuple(self._symbols))))
            partial.replace(self._path)
