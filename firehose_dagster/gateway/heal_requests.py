"""Ids that another process wants fetched: one small JSON file a request in `<state_dir>/heal-requests`.

Who finds ids missing in the lake asks; the gateway fetches them by REST, whatever it believes to hold itself, and
removes the file once Kafka has confirmed them or the exchange has said that they do not exist.
"""

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec

from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

HEAL_REQUESTS_DIR = "heal-requests"


class HealRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The ids of one symbol from `first` to `last`, both included."""

    symbol: str
    first: int
    last: int

    def __post_init__(self) -> None:
        if not (self.symbol and 0 <= self.first <= self.last):
            raise ValueError(
                f"a request names a symbol and 0 <= first <= last, not {self.symbol!r} {self.first}..{self.last}"
            )


def heal_requests_dir(settings: Settings) -> Path:
    """Where the requests of this home stand."""
    return settings.state_dir / HEAL_REQUESTS_DIR


def ask(settings: Settings, missing: Iterable[tuple[str, int, int]]) -> Path | None:
    """Have the gateway fetch each `(symbol, first id, last id)`; None where nothing was asked for.

    The file appears at once or not at all. The same question asked again is the same file, so a caller may repeat it
    until the ids are there. Raises ValueError for a range that ends before it begins or below 0.
    """
    requests = sorted({HealRequest(*each) for each in missing}, key=lambda each: (each.symbol, each.first, each.last))
    if not requests:
        return None
    content = msgspec.json.encode(requests)
    directory = heal_requests_dir(settings)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{hashlib.sha256(content).hexdigest()[:32]}.json"
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)
    return path


def pending(settings: Settings) -> dict[Path, list[HealRequest]]:
    """The requests that stand, by file. A file that is no request is set aside as `*.unreadable`, with a warning."""
    found: dict[Path, list[HealRequest]] = {}
    for path in sorted(heal_requests_dir(settings).glob("*.json")):
        try:
            found[path] = msgspec.json.decode(path.read_bytes(), type=list[HealRequest])
        except FileNotFoundError:
            continue  # answered meanwhile
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            logger.warning("event=heal_request_unreadable file=%s reason=%s", path.name, error)
            path.replace(path.with_suffix(".unreadable"))
    return found
