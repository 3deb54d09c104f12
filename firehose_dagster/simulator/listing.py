"""What is known of a symbol beside its trades: its assets; in the synthetic market also its price and activity."""

from dataclasses import dataclass

from firehose_dagster.simulator.deterministic import unit

_QUOTES = (
    *("FDUSD", "USDT", "USDC", "TUSD", "BUSD", "USDP", "BIDR", "DAI"),
    *(
        "BTC",
        "ETH",
        "BNB",
        "XRP",
        "TRX",
        "DOGE",
        "EUR",
        "GBP",
        "TRY",
        "BRL",
        "AUD",
        "RUB",
        "UAH",
        "JPY",
        "MXN",
        "ARS",
        "USD",
    ),
)
_MAJORS = {
    "BTCUSDT": (87_000.0, 0.40),
    "ETHUSDT": (3_000.0, 0.25),
    "SOLUSDT": (130.0, 0.15),
    "XRPUSDT": (2.0, 0.12),
    "BNBUSDT": (860.0, 0.08),
}


def assets(symbol: str) -> tuple[str, str]:
    """Base and quote asset; the quote is empty where the symbol does not tell."""
    for quote in _QUOTES:
        if symbol.endswith(quote) and len(symbol) > len(quote):
            return symbol.removesuffix(quote), quote
    return symbol, ""


@dataclass(frozen=True, slots=True)
class SyntheticListing:
    """How a symbol trades in the synthetic market. Units are 1e-8 of the asset, the exchange's finest."""

    symbol: str
    price: float
    """About which it moves."""
    tick_units: int
    """Prices are multiples of it."""
    lot_units: int
    """Quantities are multiples of it."""
    typical_lots: int
    weight: float
    """Share of all trades, relative to the other symbols'."""


def synthetic_listing(seed: int, symbol: str) -> SyntheticListing:
    """Majors near their real prices, others anywhere between 0.001 and 1,000; a typical trade is worth about 100."""
    if symbol in _MAJORS:
        price, weight = _MAJORS[symbol]
    else:
        price = 10.0 ** int(unit(seed, symbol, "scale") * 6 - 3) * (1.0 + 8.0 * unit(seed, symbol, "price"))
        weight = 0.01 + 0.05 * unit(seed, symbol, "weight") * unit(seed, symbol, "activity")
    tick_units = _power_of_ten_at_most(price * 1e8 / 500_000.0)
    quantity_units = 100.0 / price * 1e8
    lot_units = _power_of_ten_at_most(quantity_units / 50.0)
    return SyntheticListing(symbol, price, tick_units, lot_units, max(1, int(quantity_units / lot_units)), weight)


def _power_of_ten_at_most(value: float) -> int:
    power = 1
    while power * 10 <= value:
        power *= 10
    return power
