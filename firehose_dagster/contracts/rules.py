"""The data-quality rules of silver, each by name, as SQL over the parsed message.

A rule's name states what should be true; a rejected row carries the names of the rules it broke. A predicate
that is null counts as broken. Predicates see the message's fields as text under their own names with the suffix
`_text` and, typed, under their own names (null where the text does not convert); `event_ts` and `received_at`
are timestamps, `value` is the record's text, `is_object` says whether it is one flat JSON object.
"""

from dataclasses import dataclass

from firehose_dagster.contracts.columns import PRICE, QTY, Decimal
from firehose_dagster.contracts.message import SOURCES

FUTURE_TOLERANCE_SECONDS = 5
"""The exchange's clock was seen up to 1.5 s ahead of a receiver's."""
MAX_NOTIONAL = 10**15
"""price * qty above this cannot be a trade; below it no sum over a minute overflows decimal(38,16)."""
EARLIEST_TRADE_TIME_US = 946_684_800_000_000
"""2000-01-01; a smaller number is seconds or milliseconds taken for microseconds."""
LATEST_TRADE_TIME_US = 4_102_444_800_000_000
"""2100-01-01; a larger number is nanoseconds taken for microseconds."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A named statement that holds for every valid row."""

    name: str
    predicate: str
    doc: str
    needs_object: bool = True
    """Not judged where the record is no JSON object: one reason is enough then."""


def _fits(text: str, type_: Decimal) -> str:
    """SQL: the text is a plain decimal that converts to `type_` without losing a digit."""
    return f"{text} rlike '^-?[0-9]{{1,{type_.precision - type_.scale}}}([.][0-9]{{1,{type_.scale}}}0*)?\\\\z'"


RULES: tuple[Rule, ...] = (
    Rule("message_is_not_empty", "value <> ''", "The record has a value.", needs_object=False),
    Rule(
        "message_is_a_flat_json_object",
        "value = '' or is_object",
        "The value is one JSON object without nested ones.",
        needs_object=False,
    ),
    Rule(
        "symbol_is_well_formed",
        r"symbol rlike '^[\\p{Lu}\\p{Lo}\\p{N}_]{2,40}\\z'",
        "Upper-case letters and digits of any script.",
    ),
    Rule("agg_id_is_present", "agg_id >= 0", "The aggregate trade id is a whole number from 0."),
    Rule(
        "price_fits_its_type",
        _fits("price_text", PRICE),
        f"Decimal text within decimal({PRICE.precision},{PRICE.scale}).",
    ),
    Rule(
        "price_is_positive",
        "price is null or price > 0",
        "A trade has a price; 0 is the exchange's sentinel for a repaired id.",
    ),
    Rule("qty_fits_its_type", _fits("qty_text", QTY), f"Decimal text within decimal({QTY.precision},{QTY.scale})."),
    Rule("qty_is_positive", "qty is null or qty > 0", "A trade has a quantity."),
    Rule(
        "notional_is_plausible",
        f"price is null or qty is null or price * qty <= {MAX_NOTIONAL}",
        f"price * qty is at most {MAX_NOTIONAL:.0e}.",
    ),
    Rule("event_ts_is_present", "event_ts is not null", "The trade time is epoch microseconds between 2000 and 2100."),
    Rule(
        "event_ts_is_not_in_the_future",
        "event_ts is null or received_at is null "
        f"or event_ts <= received_at + interval {FUTURE_TOLERANCE_SECONDS} seconds",
        f"The trade time is at most {FUTURE_TOLERANCE_SECONDS} s after the row was received.",
    ),
    Rule("received_at_is_present", "received_at is not null", "The time of receipt is epoch microseconds."),
    Rule(
        "trade_ids_are_ordered",
        "first_trade_id >= 0 and last_trade_id >= first_trade_id",
        "first_trade_id <= last_trade_id, from 0.",
    ),
    Rule("is_buyer_maker_is_present", "is_buyer_maker is not null", "The maker side is true or false."),
    Rule(
        "source_is_known",
        "source in ({})".format(", ".join(f"'{source}'" for source in SOURCES)),
        "One of " + ", ".join(SOURCES) + ".",
    ),
)

CONFLICT_RULE = "same_id_has_same_content"
"""Broken by a row whose (symbol, agg_id) was already seen with other content; judged against silver, not row by row."""

RULE_NAMES: tuple[str, ...] = (*(rule.name for rule in RULES), CONFLICT_RULE)

CONTENT_COLUMNS: tuple[str, ...] = ("price", "qty", "first_trade_id", "last_trade_id", "is_buyer_maker")
"""Beside the trade time to the millisecond, what makes two rows of one id the same trade."""
