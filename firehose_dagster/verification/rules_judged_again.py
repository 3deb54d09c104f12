"""The rules of a record, judged a second time on its text: in Python, sharing with the pipeline only their names.

Only where the text leaves nothing open: no JSON at all, or one flat object in which every field has the type that the
contract gives it, or is not there. How Spark converts other texts is Spark's affair, and was another's in older code.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from firehose_dagster.contracts.columns import PRICE, QTY
from firehose_dagster.contracts.columns import Decimal as DecimalType
from firehose_dagster.contracts.message import MESSAGE_FIELDS, SOURCES
from firehose_dagster.contracts.rules import (
    EARLIEST_TRADE_TIME_US,
    FUTURE_TOLERANCE_SECONDS,
    LATEST_TRADE_TIME_US,
    MAX_NOTIONAL,
)

_TEXTS = ("symbol", "price", "qty", "source")
_WHOLE = ("agg_id", "first_trade_id", "last_trade_id", "trade_time", "event_time", "received_at")
_LARGEST = 2**63 - 1

Message = Mapping[str, Any]


def message_of(text: str) -> Message | None:
    """The fields of the record, null where one is not there; None where the text leaves open what they are."""
    if not (text.startswith("{") and text.endswith("}")) or text.count("{") + text.count("}") != 2:
        return None
    try:
        pairs = json.loads(text, object_pairs_hook=list, parse_constant=_refused)
    except ValueError:
        return None
    names = [name.lower() for name, _ in pairs]
    values = dict(pairs)
    if len(set(names)) < len(names) or not all(_is_of_its_type(name, values.get(name)) for name in MESSAGE_FIELDS):
        return None
    return {name: values.get(name) for name in MESSAGE_FIELDS}


def broken_rules(text: str) -> tuple[str, ...] | None:
    """Names of the rules that the record breaks, in the order of the list; None where the text leaves that open."""
    if text == "":
        return ("message_is_not_empty",)
    if "{" not in text:
        return ("message_is_a_flat_json_object",)
    message = message_of(text)
    return None if message is None else tuple(name for name, holds in _judged(message).items() if not holds)


def _judged(message: Message) -> dict[str, bool]:
    price, qty = _fitting(message["price"], PRICE), _fitting(message["qty"], QTY)
    traded_at, received_at = _moment(message["trade_time"]), _moment(message["received_at"])
    first, last = message["first_trade_id"], message["last_trade_id"]
    return {
        "symbol_is_well_formed": _is_symbol(message["symbol"]),
        "agg_id_is_present": message["agg_id"] is not None and message["agg_id"] >= 0,
        "price_fits_its_type": price is not None,
        "price_is_positive": price is None or price > 0,
        "qty_fits_its_type": qty is not None,
        "qty_is_positive": qty is None or qty > 0,
        "notional_is_plausible": price is None or qty is None or price * qty <= MAX_NOTIONAL,
        "event_ts_is_present": traded_at is not None,
        "event_ts_is_not_in_the_future": traded_at is None
        or received_at is None
        or traded_at <= received_at + FUTURE_TOLERANCE_SECONDS * 1_000_000,
        "received_at_is_present": received_at is not None,
        "trade_ids_are_ordered": first is not None and last is not None and 0 <= first <= last,
        "is_buyer_maker_is_present": message["is_buyer_maker"] is not None,
        "source_is_known": message["source"] in SOURCES,
    }


def _is_of_its_type(name: str, value: object) -> bool:
    if value is None:
        return True
    if name in _TEXTS:
        # Half a surrogate pair is no character: Spark writes another in its place.
        return isinstance(value, str) and not any("\ud800" <= each <= "\udfff" for each in value)
    if name in _WHOLE:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST
    return isinstance(value, bool)


def _is_symbol(symbol: str | None) -> bool:
    return (
        symbol is not None
        and 2 <= len(symbol) <= 40
        and all(each == "_" or unicodedata.category(each) in ("Lu", "Lo", "Nd", "Nl", "No") for each in symbol)
    )


def _fitting(text: str | None, type_: DecimalType) -> Decimal | None:
    """Whole digits and places within the type; further places only where they are 0."""
    found = None if text is None else re.fullmatch(r"-?([0-9]+)(?:\.([0-9]+))?", text, re.ASCII)
    if (
        found is None
        or len(found[1]) > type_.precision - type_.scale
        or len((found[2] or "").rstrip("0")) > type_.scale
    ):
        return None
    return Decimal(found[0])


def _moment(epoch_us: int | None) -> int | None:
    return epoch_us if epoch_us is not None and EARLIEST_TRADE_TIME_US <= epoch_us < LATEST_TRADE_TIME_US else None


def _refused(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")
