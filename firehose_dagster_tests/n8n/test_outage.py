"""An n8n that is down or killed: every spike is explained afterwards, once, in the order of its symbol's minutes."""

import re
import threading
from collections import defaultdict

import pytest
from tenacity import retry, stop_after_delay, wait_fixed

from firehose_dagster.defs.alerts import deliver_spikes
from firehose_dagster.local.environment import settings_environment
from firehose_dagster_tests.alerts.examples import append_spikes, spike_of, this_minute
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
    n8n: N8nServer, market: Market, world: OutsideWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = market.settings.model_copy(update={"webhook_url": n8n.webhook_url})
    for name, value in settings_environment(settings).items():
        monkeypatch.setenv(name, value)
    deliver_spikes.execute_in_process()  # what other tests left
    world.forget()
    n8n.stop()
    spikes = [spike_of(f"DOWN{number}", this_minute(ago)) for ago in range(10, 0, -1) for number in range(5)]
    append_spikes(market.settings, spikes)
    assert deliver_spikes.execute_in_process().success
    first = {row["outcome"] for spike in spikes for row in market.known(spike)["deliveries"]}
    assert first == {"failed"}
    n8n.start()

    @retry(stop=stop_after_delay(240), wait=wait_fixed(1), reraise=True)
    def deliver_until_done() -> None:
        deliver_spikes.execute_in_process()
        assert sum(len(minutes) for minutes in told(world).values()) == len(spikes)

    deliver_until_done()
    assert told(world) == {
        f"DOWN{number}": [f"{spike.minute:%Y-%m-%d %H:%M}" for spike in spikes if spike.symbol == f"DOWN{number}"]
        for number in range(5)
    }
    assert world.complaints == []
    for spike in spikes:
        assert "delivered" in {row["outcome"] for row in market.known(spike)["deliveries"]}


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
