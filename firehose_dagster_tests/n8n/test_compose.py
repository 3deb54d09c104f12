"""What the code that composes the messages makes of its input. Needs Node, but no n8n."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from n8n_flows.source.build import flows

_RUN = """
const [code, nodes, input, env] = JSON.parse(require('fs').readFileSync(0));
const $ = (name) => ({ first: () => ({ json: nodes[name] }) });
const run = new Function('$', '$input', '$env', code);
console.log(JSON.stringify(run($, { first: () => ({ json: input }) }, env)[0].json));
"""
LONGEST_SECTION, LONGEST_TELEGRAM = 3_000, 4_096


def composed(file: str, nodes: dict[str, Any]) -> dict[str, Any]:
    """What the node `Compose` of a flow gives, where the nodes before it gave these."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no `node` on PATH")
    (compose,) = (each for each in flows()[file]["nodes"] if each["name"] == "Compose")
    given = json.dumps([compose["parameters"]["jsCode"], nodes, {}, {}])
    run = subprocess.run([node, "-e", _RUN], input=given, capture_output=True, text=True, check=True)
    made: dict[str, Any] = json.loads(run.stdout)
    return made


def pulse_of(symbols: list[str]) -> dict[str, Any]:
    return {
        "window": {"start": "2026-01-01T10:00:00.000000Z", "end": "2026-01-01T11:00:00.000000Z"},
        "is_fresh": True,
        "age_seconds": 3,
        "incomplete_symbols": symbols,
        "data": [
            {
                "symbol": symbol,
                "delta_pct": "-1.2500",
                "vwap": "87648.21000000",
                "volume": "120.00000000",
                "spike_status": "price_and_volume",
                "is_complete": False,
            }
            for symbol in symbols
        ],
    }


def test_a_pulse_of_all_symbols_fits_into_a_message() -> None:
    symbols = [f"1000TOKEN{number:04}FDUSD" for number in range(3_000)]
    made = composed("market_pulse.json", {"Facts": {"pulse": pulse_of(symbols), "llm": False}})
    sections = [block["text"]["text"] for block in made["slack"]["blocks"] if block["type"] == "section"]
    assert max(len(section) for section in sections) <= LONGEST_SECTION
    assert len(made["telegram"]["text"]) <= LONGEST_TELEGRAM
    assert any(section.endswith("1000TOKEN0024FDUSD and 2975 more.") for section in sections)
    assert "2975 more symbols are not shown." in sections


def test_a_few_incomplete_symbols_are_all_named() -> None:
    made = composed("market_pulse.json", {"Facts": {"pulse": pulse_of(["BTCUSDT", "ETHUSDT"]), "llm": False}})
    assert "Data incomplete, trades are missing: BTCUSDT, ETHUSDT." in made["telegram"]["text"]
