"""Every kind of bad input, with the rules that it must be said to break. Made from one good message."""

import json
from typing import Any, NamedTuple

from firehose_dagster.contracts.rules import RULES

GOOD: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "agg_id": 1,
    "price": "100.5",
    "qty": "0.25",
    "first_trade_id": 10,
    "last_trade_id": 11,
    "trade_time": 1_767_225_600_000_001,
    "event_time": 1_767_225_600_001_000,
    "received_at": 1_767_225_600_050_000,
    "is_buyer_maker": True,
    "source": "ws",
}
TEXT = json.dumps(GOOD)
EMPTY = ["message_is_not_empty"]
NO_OBJECT = ["message_is_a_flat_json_object"]
ID = ["agg_id_is_present"]
PRICE_FITS = ["price_fits_its_type"]
PRICE_POSITIVE = ["price_is_positive"]
QTY_FITS = ["qty_fits_its_type"]
QTY_POSITIVE = ["qty_is_positive"]
TIME = ["event_ts_is_present"]
FUTURE = ["event_ts_is_not_in_the_future"]
RECEIVED = ["received_at_is_present"]
IDS = ["trade_ids_are_ordered"]
MAKER = ["is_buyer_maker_is_present"]
SOURCE = ["source_is_known"]
SYMBOL = ["symbol_is_well_formed"]
ALL_OF_AN_EMPTY_OBJECT = [
    rule.name
    for rule in RULES
    if rule.name
    in {
        *SYMBOL,
        *ID,
        *PRICE_FITS,
        *QTY_FITS,
        *TIME,
        *RECEIVED,
        *IDS,
        *MAKER,
        *SOURCE,
    }
]


class BadMessage(NamedTuple):
    """A record's value and the names of the rules it breaks, in the order of the rules."""

    name: str
    value: bytes | None
    reasons: list[str]


def _bad(name: str, reasons: list[str], **changes: Any) -> BadMessage:
    return BadMessage(name, json.dumps({**GOOD, **changes}).encode(), reasons)


def _text(name: str, reasons: list[str], text: str | bytes | None) -> BadMessage:
    return BadMessage(name, text.encode() if isinstance(text, str) else text, reasons)


def _without(field: str, reasons: list[str]) -> BadMessage:
    value = {name: each for name, each in GOOD.items() if name != field}
    return BadMessage(f"no {field}", json.dumps(value).encode(), reasons)


def _number(field: str, number: str, reasons: list[str]) -> BadMessage:
    """The field as a JSON number of these very digits."""
    return BadMessage(f"{field} is {number[:30]}", TEXT.replace(json.dumps(GOOD[field]), number, 1).encode(), reasons)


BAD_MESSAGES: tuple[BadMessage, ...] = (
    _text("null", EMPTY, None),
    _text("empty", EMPTY, ""),
    _text("a space", NO_OBJECT, " "),
    _text("not JSON", NO_OBJECT, "hello"),
    _text("cut off", NO_OBJECT, TEXT[:-20]),
    _text("an array", NO_OBJECT, "[]"),
    _text("an array of one message", NO_OBJECT, f"[{TEXT}]"),
    _text("a text", NO_OBJECT, '"BTCUSDT"'),
    _text("a number", NO_OBJECT, "1"),
    _text("the word null", NO_OBJECT, "null"),
    _text("two objects", NO_OBJECT, TEXT + TEXT),
    _text("two objects on two lines", NO_OBJECT, f"{TEXT}\n{TEXT}"),
    _text("garbage behind", NO_OBJECT, TEXT + "x"),
    _text("garbage before", NO_OBJECT, "x" + TEXT),
    _text("nested", NO_OBJECT, json.dumps({**GOOD, "price": {"value": "1"}})),
    _text("nested a thousand levels deep", NO_OBJECT, '{"a":' * 1_500 + "1" + "}" * 1_500),
    _text("arrays a thousand levels deep", NO_OBJECT, "[" * 1_500 + "]" * 1_500),
    _text("bytes that are no UTF-8", NO_OBJECT, b"\xff\xfe\x00\x80"),
    _text("a byte that is no UTF-8 within a field", SYMBOL, TEXT.encode().replace(b"BTC", b"B\xffC")),
    _text("half a surrogate pair", SYMBOL, TEXT.replace("BTCUSDT", "BTC\\ud800")),
    _text("UTF-16", NO_OBJECT, TEXT.encode("utf-16")),
    _text("an empty object", ALL_OF_AN_EMPTY_OBJECT, "{}"),
    _without("symbol", SYMBOL),
    _without("agg_id", ID),
    _without("price", PRICE_FITS),
    _without("qty", QTY_FITS),
    _without("first_trade_id", IDS),
    _without("last_trade_id", IDS),
    _without("trade_time", TIME),
    _without("received_at", RECEIVED),
    _without("is_buyer_maker", MAKER),
    _without("source", SOURCE),
    _bad("price 0", PRICE_POSITIVE, price="0"),
    _bad("price 0.00000000", PRICE_POSITIVE, price="0.00000000"),
    _bad("price negative", PRICE_POSITIVE, price="-1.5"),
    _bad("price of 40 digits", PRICE_FITS, price="1" * 40),
    _bad("price of 11 digits before the point", PRICE_FITS, price="12345678901"),
    _bad("price with 9 decimals", PRICE_FITS, price="1.123456789"),
    _bad("price with an exponent", PRICE_FITS, price="1e5"),
    _bad("price empty", PRICE_FITS, price=""),
    _bad("price null", PRICE_FITS, price=None),
    _bad("price NaN", PRICE_FITS, price="NaN"),
    _bad("price Infinity", PRICE_FITS, price="Infinity"),
    _bad("price with a comma", PRICE_FITS, price="1,5"),
    _bad("price with a plus", PRICE_FITS, price="+1"),
    _bad("price in Arabic digits", PRICE_FITS, price="١٢"),
    _bad("price true", PRICE_FITS, price=True),
    _bad("price a list", PRICE_FITS, price=["1"]),
    _number("price", "1e5", PRICE_FITS),
    _number("price", "100.5", PRICE_FITS),
    _number("price", "1.00000000000000000001", PRICE_FITS),
    _number("price", "9" * 2_000, NO_OBJECT),
    _number("qty", "0.25", QTY_FITS),
    _bad("qty negative", QTY_POSITIVE, qty="-0.1"),
    _bad("qty 0", QTY_POSITIVE, qty="0.0"),
    _bad("qty of 12 digits before the point", QTY_FITS, qty="123456789012"),
    _bad("qty with 9 decimals", QTY_FITS, qty="0.000000001"),
    _bad("price and qty 0", [*PRICE_POSITIVE, *QTY_POSITIVE], price="0", qty="0"),
    _bad("notional beyond reason", ["notional_is_plausible"], price="9999999999", qty="99999999999"),
    _bad(
        "the exchange's sentinel",
        [*PRICE_POSITIVE, *QTY_POSITIVE, *IDS],
        price="0",
        qty="0",
        first_trade_id=-1,
        last_trade_id=-1,
    ),
    _bad("agg_id negative", ID, agg_id=-1),
    _bad("agg_id text", ID, agg_id="one"),
    _bad("agg_id with a fraction", ID, agg_id=1.5),
    _bad("agg_id beyond 64 bits", ID, agg_id=2**63),
    _bad("agg_id null", ID, agg_id=None),
    _bad("ids in the wrong order", IDS, first_trade_id=11, last_trade_id=10),
    _bad("trade time null", TIME, trade_time=None),
    _bad("trade time in seconds", TIME, trade_time=1_767_225_600),
    _bad("trade time in milliseconds", TIME, trade_time=1_767_225_600_000),
    _bad("trade time in nanoseconds", TIME, trade_time=1_767_225_600_000_000_000),
    _bad("trade time as text", TIME, trade_time="2026-01-01T00:00:00Z"),
    _bad("trade time of 20 digits", TIME, trade_time=10**20),
    _bad("trade time 0", TIME, trade_time=0),
    _bad("received in milliseconds", RECEIVED, received_at=1_767_225_600_050),
    _bad("in the future by 5 s and 1 us", FUTURE, trade_time=GOOD["received_at"] + 5_000_001),
    _bad("maker yes", MAKER, is_buyer_maker="yes"),
    _bad("maker 1", MAKER, is_buyer_maker=1),
    _bad("maker null", MAKER, is_buyer_maker=None),
    _bad("symbol in lower case", SYMBOL, symbol="btcusdt"),
    _bad("symbol empty", SYMBOL, symbol=""),
    _bad("symbol of one letter", SYMBOL, symbol="B"),
    _bad("symbol of 41 letters", SYMBOL, symbol="B" * 41),
    _bad("symbol with a slash", SYMBOL, symbol="BTC/USDT"),
    _bad("symbol with a quote", SYMBOL, symbol="BTC'USDT"),
    _bad("source unknown", SOURCE, source="carrier pigeon"),
    _bad("everything a list", ALL_OF_AN_EMPTY_OBJECT, **{name: [] for name in GOOD}),
)

UNUSUAL_BUT_VALID: tuple[tuple[str, bytes], ...] = tuple(
    (name, text.encode() if isinstance(text, str) else json.dumps({**GOOD, **text}).encode())
    for name, text in (
        ("as it is", TEXT),
        ("white space around", f"\n {TEXT}\t\n"),
        ("a field more", {"best_match": True}),
        ("numbers as text", {"agg_id": "1", "trade_time": str(GOOD["trade_time"])}),
        ("largest price", {"price": "9999999999.99999999", "qty": "0.00000001"}),
        ("largest quantity", {"price": "0.00000001", "qty": "99999999999.99999999"}),
        ("zeros behind the eighth place", {"price": "1.2345678900000"}),
        ("no event time", {"event_time": None}),
        ("in the future by 5 s", {"trade_time": GOOD["received_at"] + 5_000_000}),
        ("in the year 2000", {"trade_time": 946_684_800_000_000}),
        ("one single trade", {"first_trade_id": 0, "last_trade_id": 0}),
        ("symbol with a digit first", {"symbol": "1INCHUSDT"}),
        ("symbol in another script", {"symbol": "币安人生USDT"}),
        ("largest id", {"agg_id": 2**63 - 1}),
    )
)
