"""The Market Pulse on a real n8n, started by its schedule: what the roadmap lists, and whether data is missing."""

import json

import pytest

from firehose_dagster_tests.n8n.market import Market
from firehose_dagster_tests.n8n.n8n_server import N8nServer
from firehose_dagster_tests.n8n.outside_world import Json, OutsideWorld

pytestmark = [pytest.mark.n8n, pytest.mark.timeout(300)]

TABLE = [
    ["symbol", "delta", "%", "VWAP", "volume", "spike"],
    # By hand, from three trades a minute at 100 to 102, twenty times as much in one minute.
    ["ALPHA", "+2", "100.9519774", "354", "volume", "(incomplete)"],
    # By hand: 0.5 * 1 and 0.501 * 2 a minute, once 0.601 * 2.
    ["BETA", "+0.2", "0.50233333", "120", "price", "(incomplete)"],
]
MISSING = "Data incomplete, trades are missing: ALPHA, BETA."


def pulses(world: OutsideWorld) -> list[Json]:
    return [message for message in world.slack if message["blocks"][0]["text"]["text"].startswith("Market Pulse")]


def texts(message: Json) -> list[str]:
    return [block["text"]["text"] for block in message["blocks"] if "text" in block]


def saying(world: OutsideWorld, narrative: str) -> list[Json]:
    """Pulses with these words: one that was under way when the test began may have others."""
    return [message for message in pulses(world) if texts(message)[1] == narrative]


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_its_schedule_posts_delta_vwap_volume_spikes_and_what_is_missing(
    n8n: N8nServer, market: Market, world: OutsideWorld
) -> None:
    world.llm_says = "ALPHA rose with a volume spike, BETA edged up."
    world.wait_for(lambda: bool(saying(world, world.llm_says)) and bool(world.telegram), 60)
    title, _, table, missing = texts(saying(world, world.llm_says)[0])
    assert title.startswith("Market Pulse 20")
    assert rows(table.strip("`")) == TABLE
    assert missing == MISSING
    assert world.complaints == []

    telegram = world.telegram[0]["text"]
    assert rows(telegram.partition("<pre>")[2].partition("</pre>")[0]) == TABLE
    assert MISSING in telegram
    (asked,) = [call for call in world.llm if "Sum up" in json.dumps(call)][:1]
    facts = asked["messages"][1]["content"]
    assert "ALPHA rose clearly, with a volume spike, its data is incomplete." in facts


def test_without_words_of_a_model_the_template_counts(n8n: N8nServer, market: Market, world: OutsideWorld) -> None:
    world.failing["llm"] = 503
    template = "2 of 2 rose, 0 fell. Spikes: ALPHA, BETA."
    world.wait_for(lambda: bool(saying(world, template)), 60)
    assert rows(texts(saying(world, template)[0])[2].strip("`")) == TABLE


def test_a_channel_that_is_down_does_not_silence_the_other(n8n: N8nServer, market: Market, world: OutsideWorld) -> None:
    world.failing["slack"] = 500
    world.wait_for(lambda: len(world.telegram) > 1, 60)
    assert len(pulses(world)) <= 1, "but for one that may have been under way"
    assert rows(world.telegram[1]["text"].partition("<pre>")[2].partition("</pre>")[0]) == TABLE
