"""An n8n that is down or killed: every spike is explained afterwards, once, in the order of its symbol's minutes."""

import re
import threading
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tenacity import retry, stop_after_delay, wait_fixed

from firehose_dagster.alerts.ledger import Ledger
from firehose_dagster.defs.alerts import deliver_spikes
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.local.environment import settings_environment
from firehose_dagster_tests.alerts.examples import append_spikes, free_port, made_lake, spike_of, this_minute
from firehose_dagster_tests.n8n.market import Market
from firehose_dagster_tests.n8n.n8n_server import N8nServer
from firehose_dagster_tests.n8n.outside_world import OutsideWorld

pytestmark = [pytest.mark.n8n, pytest.mark.timeout(600)]


def told(world: OutsideWorld) -> dict[str, list[str]]:
    """The minutes of the spikes in Slack, by symbol, in the order they came."""
    minutes: dict[str, list[str]] = defaultdict(list)
    for message in world.slack:
        found = re.fullmatch(r"(\w+): volume spike, (.*) UTC, score .*", message["blocks"][0]["text"]["text"])
        if found:
            minutes[found[1]].append(found[2])
    return dict(minutes)


def test_fifty_spikes_while_n8n_is_down_are_all_explained_in_order(
    n8n: N8nServer, world: OutsideWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = made_lake(tmp_path, free_port()).model_copy(update={"webhook_url": n8n.webhook_url})
    for name, value in settings_environment(settings).items():
        monkeypatch.setenv(name, value)
    symbols = ("DOWNA", "DOWNB", "DOWNC", "DOWND", "DOWNE")
    spikes = [spike_of(symbol, this_minute(ago)) for ago in range(10, 0, -1) for symbol in symbols]
    ledger = Ledger(open_catalog(settings))
    n8n.stop()
    append_spikes(settings, spikes)
    assert deliver_spikes.execute_in_process().success
    failed = [(row.key.symbol, row.outcome) for row in ledger.recent_deliveries(datetime.now(UTC))]
    assert sorted(failed) == [(symbol, "failed") for symbol in symbols], "of each, the later ones wait for the first"
    n8n.start()

    @retry(stop=stop_after_delay(240), wait=wait_fixed(1), reraise=True)
    def deliver_until_done() -> None:
        deliver_spikes.execute_in_process()
        assert sum(len(minutes) for minutes in told(world).values()) == len(spikes)

    deliver_until_done()
    assert told(world) == {
        symbol: [f"{spike.minute:%Y-%m-%d %H:%M}" for spike in spikes if spike.symbol == symbol] for symbol in symbols
    }
    assert world.complaints == []
    delivered = [row for row in ledger.recent_deliveries(datetime.now(UTC)) if row.outcome == "delivered"]
    assert {row.key.spike_id for row in delivered} == {spike.spike_id for spike in spikes}
    assert len(delivered) == len(spikes)


def test_a_kill_while_it_works_loses_no_spike_and_doubles_none(
    n8n: N8nServer, market: Market, world: OutsideWorld
) -> None:
    spike = spike_of("KILLED", this_minute(1))
    append_spikes(market.settings, [spike])
    asked, answer = threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        answer.wait(60)

    world.before_llm = hang
    outcomes: list[str] = []
    sender = threading.Thread(target=lambda: outcomes.append(market.post(n8n.webhook_url, spike).outcome))
    sender.start()
    assert asked.wait(30), "the model was asked while the sender waited"
    n8n.kill()
    answer.set()
    world.before_llm = None
    sender.join(60)
    assert outcomes == ["unknown"]
    n8n.start()

    # The dead execution's claim counts for a minute: until then the answer is 503.
    @retry(stop=stop_after_delay(120), wait=wait_fixed(2), reraise=True)
    def post_until_taken() -> None:
        assert market.post(n8n.webhook_url, spike).outcome == "delivered"

    post_until_taken()
    assert told(world) == {"KILLED": [f"{spike.minute:%Y-%m-%d %H:%M}"]}
