"""Daily and monthly aggTrades files of data.binance.vision: their names, the CSVs within, and lines as trades.

A line, as the spot archive has it (older files in milliseconds, futures without the last column and with a header)::

    3800397495,87648.21000000,0.08185000,5723703861,5723703861,1767225600039409,True,True
"""

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import BinaryIO

import msgspec

from firehose_dagster.binance.frames import to_microseconds
from firehose_dagster.errors import ExplainedError

COLUMNS = "agg id, price, quantity, first id, last id, timestamp, is buyer maker[, is best match]"

_NAME = re.compile(r"(?P<symbol>\w+)-aggTrades-(?P<date>\d{4}-\d{2}(-\d{2})?)\b", re.UNICODE)
_BOOLEANS = {"true": True, "false": False}


class ArchiveFileError(ExplainedError):
    """A file is no archive of aggregate trades; the message names the file, the line where there is one, and why."""


class ArchiveTrade(msgspec.Struct, frozen=True, gc=False):
    """One line. Price and quantity are the file's own decimal text, `trade_time` is epoch microseconds."""

    agg_id: int
    price: str
    qty: str
    first_trade_id: int
    last_trade_id: int
    trade_time: int
    is_buyer_maker: bool
    is_best_match: bool

    @property
    def is_sentinel(self) -> bool:
        """No trade, but a mark that the id belongs to none.

        In April 2022 the exchange kept repaired duplicates as rows with price and quantity 0 and single trades -1.
        """
        return self.first_trade_id < 0 or not self.price.strip("0.")


@dataclass(frozen=True, slots=True)
class ArchiveDay:
    """The trades of one symbol on one UTC day, as the archive files them."""

    symbol: str
    day: date

    @property
    def stem(self) -> str:
        """`BTCUSDT-aggTrades-2026-01-01`."""
        return f"{self.symbol}-aggTrades-{self.day.isoformat()}"

    @property
    def folder(self) -> str:
        """Where the archive keeps it, below its root."""
        return f"data/spot/daily/aggTrades/{self.symbol}"


@dataclass(frozen=True, slots=True)
class ArchivePart:
    """One CSV of an archive file."""

    name: str
    """For messages: the file, and the CSV within a zip."""
    symbol: str
    date: str
    """`2026-01-01` or `2026-01`, as the name says."""
    lines: Iterable[str]
    """To be read before the next part is asked for."""


def archive_parts(file_name: str, content: BinaryIO) -> Iterator[ArchivePart]:
    """Every CSV of an archive file: the file itself, or all in a zip; a CSV with a name of its own goes by that.

    Raises ArchiveFileError where no name tells the symbol, a zip is damaged or holds no CSV.
    """
    if not zipfile.is_zipfile(content):
        if file_name.lower().endswith(".zip"):
            raise ArchiveFileError(f"{file_name}: the zip is damaged or cut off; fetch it again")
        content.seek(0)
        yield _part(file_name, file_name, file_name, content)
        return
    try:
        with zipfile.ZipFile(content) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            if not names:
                raise ArchiveFileError(f"{file_name}: the zip holds no CSV")
            for name in names:
                own_name = PurePosixPath(name).name
                with archive.open(name) as member:
                    naming = own_name if _NAME.match(own_name) else file_name
                    yield _part(f"{file_name}:{name}", naming, file_name, member)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ArchiveFileError(f"{file_name}: the zip cannot be read: {error}") from error


def _part(name: str, naming: str, file_name: str, content: object) -> ArchivePart:
    match = _NAME.match(PurePosixPath(naming).name)
    if match is None:
        raise ArchiveFileError(
            f"{file_name}: the name tells no symbol; it is expected to be like BTCUSDT-aggTrades-2026-01-01.csv"
        )
    lines = io.TextIOWrapper(content, encoding="utf-8", newline="")  # type: ignore[type-var] # a member of a zip is readable, typeshed says IO[bytes]
    return ArchivePart(name, match["symbol"].upper(), match["date"], lines)


def archive_trades(part: ArchivePart) -> Iterator[ArchiveTrade]:
    """The trades of a CSV, in its order; a header and empty lines are passed over, milliseconds become microseconds.

    Raises ArchiveFileError for a line that is no trade, naming it.
    """
    rows = csv.reader(part.lines)
    try:
        for row in rows:
            if not row or (rows.line_num == 1 and not row[0].strip().isdigit()):
                continue
            yield _trade(row)
    except (ValueError, InvalidOperation, csv.Error) as error:
        detail = "a number was expected" if isinstance(error, InvalidOperation) else str(error)
        raise ArchiveFileError(
            f"{part.name}, line {rows.line_num}: {detail}; columns are expected to be {COLUMNS}"
        ) from error
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise ArchiveFileError(f"{part.name}: the zip is damaged: {error}; fetch it again") from error


def _trade(row: list[str]) -> ArchiveTrade:
    if len(row) not in (7, 8):
        raise ValueError(f"{len(row)} columns")
    agg_id, price, qty, first_trade_id, last_trade_id, time, is_buyer_maker, *best_match = (
        cell.strip() for cell in row
    )
    if not (Decimal(price).is_finite() and Decimal(qty).is_finite()):
        raise ValueError("price and quantity must be numbers")
    flags = [is_buyer_maker.lower(), *(cell.lower() for cell in best_match)]
    if not all(flag in _BOOLEANS for flag in flags):
        raise ValueError("true or false was expected")
    return ArchiveTrade(
        agg_id=int(agg_id),
        price=price,
        qty=qty,
        first_trade_id=int(first_trade_id),
        last_trade_id=int(last_trade_id),
        trade_time=to_microseconds(int(time)),
        is_buyer_maker=_BOOLEANS[flags[0]],
        is_best_match=_BOOLEANS[flags[-1]] if best_match else True,
    )
