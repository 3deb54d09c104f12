"""The Spike Explainer on a real n8n: the right figures, once, whatever is sent twice, forged, late, or out of order."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from tenacity import retry, stop_after_delay, wait_fixed

from firehose_dagster.alerts.message import Spike, body
from firehose_dagster.alerts.signature import signer
from firehose_dagster.contracts.spike import spike_id
from firehose_dagster.defs.alerts import deliver_spikes
from firehose_dagster.local.environment import settings_environment
from firehose_dagster_tests.alerts.examples import MINUTE, OTHER_SECRET, SECRET, append_spikes, spike_of, this_minute
from firehose_dagster_tests.n8n.market import Market
from firehose_dagster_tests.n8n.n8n_server import N8nServer
from firehose_dagster_tests.n8n.outside_world import Json, OutsideWorld

pytestmark = [pytest.mark.n8n, pytest.mark.timeout(600)]


def explained(world: OutsideWorld, spike: Spike) -> list[Json]:
    """The Slack messages about this spike."""
    return [message for message in world.slack if spike.spike_id in json.dumps(message)]


def sections(message: Json) -> list[str]:
    return [block["text"]["text"] for block in message["blocks"] if "text" in block]


def new_spike(market: Market, symbol: str) -> Spike:
    """In the lake, and never posted."""
    spike = spike_of(symbol, this_minute(2))
    append_spikes(market.settings, [spike])
    return spike


def test_an_induced_spike_is_explained_with_its_figures_and_acknowledged(
    n8n: N8nServer, market: Market, world: OutsideWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.llm_says = "BETA moved far in one minute,\nwhile its volume stayed as it was."
    settings = market.settings.model_copy(update={"webhook_url": n8n.webhook_url})
    for name, value in settings_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert deliver_spikes.execute_in_process().success

    spike = market.price_spike
    (message,) = explained(world, spike)
    title, narrative, table = sections(message)
    clock = f"{spike.minute:%H:%M}"
    assert title == f"BETA: price spike, {spike.minute:%Y-%m-%d} {clock} UTC, score {market_score(spike)}"
    assert narrative == "BETA moved far in one minute, while its volume stayed as it was."
    lines = [line.split() for line in table.strip("`").splitlines()]
    assert lines[0] == ["UTC", "price", "VWAP", "volume", "return", "%"]
    # By hand: two trades a minute, 0.5 * 1 and 0.501 * 2; in the spike's minute the second is at 0.601.
    before = [f"{spike.minute - timedelta(minutes=ago):%H:%M}" for ago in range(5, 0, -1)]
    assert lines[1:6] == [[minute, "0.501", "0.50066667", "3", "0"] for minute in before]
    assert lines[6] == [clock, "at", "detection", "0.601", "0.56733333", "3", "+19.96008"]
    assert lines[7] == [clock, "now", "0.601", "0.56733333", "3", "+19.96008"]

    (issue,) = [issue for issue in world.jira if spike.spike_id in issue["fields"]["labels"]]
    assert issue["fields"]["summary"] == title
    assert issue["fields"]["description"]["content"][1]["content"][0]["text"] == table.strip("`")
    assert world.complaints == []
    require_recorded(market, spike)


@retry(stop=stop_after_delay(30), wait=wait_fixed(0.2), reraise=True)
def require_recorded(market: Market, spike: Spike) -> None:
    """Both the sender and the flow write a row, in either order."""
    known = market.known(spike)
    assert sorted(row["outcome"] for row in known["deliveries"]) == ["acknowledged", "delivered"]
    assert known["acknowledged_at"] is not None


def market_score(spike: Spike) -> str:
    return format(spike.score.normalize(), "f")


def test_a_webhook_that_comes_three_times_makes_one_message(
    n8n: N8nServer, market: Market, world: OutsideWorld
) -> None:
    spike = new_spike(market, "THRICE")
    outcomes = [market.post(n8n.webhook_url, spike) for _ in range(3)]
    assert [outcome.http_status for outcome in outcomes] == [200, 200, 200]
    assert len(explained(world, spike)) == 1
    assert len([issue for issue in world.jira if spike.spike_id in issue["fields"]["labels"]]) == 1


def test_of_deliveries_at_the_same_time_one_is_processed(n8n: N8nServer, market: Market, world: OutsideWorld) -> None:
    spike = new_spike(market, "ATONCE")
    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(lambda _: market.post(n8n.webhook_url, spike).http_status, range(6)))
    assert 200 in statuses
    assert set(statuses) <= {200, 503}
    assert market.post(n8n.webhook_url, spike).http_status == 200
    assert len(explained(world, spike)) == 1


def test_a_wrong_signature_is_refused(n8n: N8nServer, market: Market, world: OutsideWorld) -> None:
    spike = new_spike(market, "FORGED")
    assert market.post(n8n.webhook_url, spike, OTHER_SECRET).http_status == 401
    headers = signed(spike, datetime.now(UTC))
    tampered = body(spike).replace('"120.00000000"', '"920.00000000"')
    assert tampered != body(spike)
    assert post_raw(n8n, tampered, headers) == 401
    assert post_raw(n8n, body(spike), {**headers, "webhook-id": market.price_spike.spike_id}) == 401
    assert post_raw(n8n, body(spike), {**headers, "webhook-signature": "v1,"}) == 401
    assert post_raw(n8n, body(spike), {**headers, "webhook-signature": "v2" + headers["webhook-signature"][2:]}) == 401
    assert post_raw(n8n, body(spike), {"content-type": "application/json"}) == 401
    assert explained(world, spike) == []


@pytest.mark.parametrize("minutes", [-6, 6], ids=["old", "from the future"])
def test_a_timestamp_six_minutes_off_is_refused(
    minutes: int, n8n: N8nServer, market: Market, world: OutsideWorld
) -> None:
    spike = new_spike(market, f"OFF{minutes + 6}")
    assert post_raw(n8n, body(spike), signed(spike, datetime.now(UTC) + timedelta(minutes=minutes))) == 401
    assert explained(world, spike) == []


def test_a_signature_four_minutes_old_or_beside_another_is_taken(
    n8n: N8nServer, market: Market, world: OutsideWorld
) -> None:
    spike = new_spike(market, "INTIME")
    headers = signed(spike, datetime.now(UTC) - timedelta(minutes=4))
    headers["webhook-signature"] = f"v1,bm90IHRoaXMgb25l {headers['webhook-signature']}"
    assert post_raw(n8n, body(spike), headers) == 200
    assert len(explained(world, spike)) == 1


def test_a_genuine_body_that_is_no_spike_of_this_id_is_refused(n8n: N8nServer, market: Market) -> None:
    spike = new_spike(market, "OTHER")
    other = replace(spike, spike_id=spike_id("ELSE", spike.minute, "volume"))
    headers = signed(spike, datetime.now(UTC), body(other))
    assert post_raw(n8n, body(other), headers) == 400


REFUSED = [
    ("LIES rose to 99 dollars.", "digits"),
    ("LIES rose by \N{VULGAR FRACTION ONE HALF} of its price.", "digits"),
    ("LIES doubled within the minute.", "a number in words"),
    ("LIES rose, a good time to buy.", "advice"),
    ("LIES rose, see https://example.com for more.", "markup or a link"),
    ("LIES rose <!channel>.", "markup or a link"),
    ("Calm. " * 101, "too long"),
    ("   ", "no text came"),
]


@pytest.mark.parametrize(("answer", "refusal"), REFUSED)
def test_words_of_the_model_that_are_not_only_words_are_left_out(
    answer: str, refusal: str, n8n: N8nServer, market: Market, world: OutsideWorld
) -> None:
    world.llm_says = answer
    spike = spike_of("LIES", MINUTE + timedelta(minutes=REFUSED.index((answer, refusal))))
    assert market.post(n8n.webhook_url, spike).http_status == 200
    (message,) = explained(world, spike)
    assert sections(message)[1].startswith("LIES had a volume spike in one minute of trading.")
    assert f"left out: {refusal}." in message["blocks"][-1]["elements"][0]["text"]
    if answer.strip():
        assert answer not in json.dumps(message, ensure_ascii=False)


def test_a_symbol_with_digits_is_no_figure(n8n: N8nServer, market: Market, world: OutsideWorld) -> None:
    world.llm_says = "1000PEPEUSDT traded far more than in the minutes before."
    spike = spike_of("1000PEPEUSDT", this_minute(4))
    assert market.post(n8n.webhook_url, spike).http_status == 200
    (message,) = explained(world, spike)
    assert sections(message)[1] == world.llm_says
    assert world.complaints == []


def test_a_model_that_is_down_costs_the_message_nothing_but_its_words(
    n8n: N8nServer, market: Market, world: OutsideWorld
) -> None:
    world.failing["llm"] = 500
    spike = new_spike(market, "MUTE")
    assert market.post(n8n.webhook_url, spike).http_status == 200
    (message,) = explained(world, spike)
    assert "left out: no text came." in message["blocks"][-1]["elements"][0]["text"]


def test_a_channel_that_refuses_is_asked_again_and_the_other_is_not(
    n8n: N8nServer, market: Market, world: OutsideWorld
) -> None:
    world.failing["slack"] = 500
    spike = new_spike(market, "HALF")
    assert market.post(n8n.webhook_url, spike).http_status == 502
    assert (len(explained(world, spike)), len(world.jira)) == (0, 1)
    world.failing.clear()
    assert market.post(n8n.webhook_url, spike).http_status == 200
    assert (len(explained(world, spike)), len(world.jira)) == (1, 1)


def test_a_spike_that_the_lake_does_not_know_is_told_by_its_own_figures(
    n8n: N8nServer, market: Market, world: OutsideWorld
) -> None:
    world.llm_says = "UNKNOWN traded more than usual."
    spike = replace(spike_of("UNKNOWN", this_minute(3)), is_complete=False)
    assert market.post(n8n.webhook_url, spike).http_status == 200
    (message,) = explained(world, spike)
    texts = sections(message)
    assert "Data incomplete: trades of this minute are missing." in texts
    assert "The read API did not answer: only the figures of the alert are shown." in texts
    (row,) = texts[2].strip("`").splitlines()[1:]
    assert row.split()[3:] == ["87648.21", "87640.00000001", "120", "0"]


def signed(spike: Spike, at: datetime, content: str | None = None) -> dict[str, str]:
    """Headers as the project signs them, at a time of choice."""
    signature = signer(SECRET).sign(msg_id=spike.spike_id, timestamp=at, data=content or body(spike))
    return {
        "content-type": "application/json",
        "webhook-id": spike.spike_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def post_raw(n8n: N8nServer, content: str, headers: dict[str, str]) -> int:
    return httpx.post(n8n.webhook_url, content=content, headers=headers, timeout=30, trust_env=False).status_code
