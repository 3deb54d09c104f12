"""A lake of the last 40 minutes with two spikes, the real read API on it, and the project's own way to post them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from tenacity import retry, stop_after_delay, wait_fixed

from firehose_dagster.alerts.message import Spike, body
from firehose_dagster.alerts.webhook import DeliveryOutcome, WebhookSender
from firehose_dagster.contracts.spike import SpikeKind, spike_id
from firehose_dagster.contracts.trade_tables import GOLD
from firehose_dagster.local.environment import settings_environment
from firehose_dagster.settings import Settings
from firehose_dagster_tests.alerts.examples import SECRET, append_spikes, free_port, made_lake, this_minute
from firehose_dagster_tests.verification.small_lake import Row, small_lake, write_gold

API_TOKEN = "token-of-the-read-api"


@dataclass(frozen=True)
class Market:
    """The installation, and what its lake holds: gold rows by symbol, in the order of minutes, and the two spikes."""

    settings: Settings
    gold: dict[str, list[Row]]
    volume_spike: Spike
    """ALPHA's."""
    price_spike: Spike
    """BETA's."""

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.settings.api_port}"

    def post(self, url: str, spike: Spike, secret: str = SECRET) -> DeliveryOutcome:
        """One delivery, as the hook makes it."""
        with WebhookSender(url, secret, timeout_seconds=30) as sender:
            return sender.post(spike.spike_id, body(spike))

    def known(self, spike: Spike) -> dict[str, Any]:
        """What the API says of a spike."""
        answer = httpx.get(
            f"{self.api_url}/v1/spikes/{spike.spike_id}",
            headers={"Authorization": f"Bearer {API_TOKEN}"},
            trust_env=False,
        )
        answer.raise_for_status()
        data: dict[str, Any] = answer.json()["data"]
        return data


def made_market(home: Path) -> Market:
    """The small lake of the tests of `firehose verify`, moved to end with this minute."""
    settings = made_lake(home, free_port()).model_copy(
        update={"api_port": free_port(), "api_token": SecretStr(API_TOKEN)}
    )
    rows = small_lake().gold
    shift = this_minute() - max(row["minute"] for row in rows)
    gold = [row | {"minute": row["minute"] + shift, "updated_at": datetime.now(UTC)} for row in rows]
    write_gold(settings, gold, 1)
    by_symbol = {symbol: [row for row in gold if row["symbol"] == symbol] for symbol in ("ALPHA", "BETA")}
    volume_spike, price_spike = _spike(by_symbol["ALPHA"][35], "volume"), _spike(by_symbol["BETA"][37], "price")
    append_spikes(settings, [volume_spike, price_spike])
    return Market(settings, by_symbol, volume_spike, price_spike)


def _spike(row: Row, kind: SpikeKind) -> Spike:
    assert row[f"is_{kind}_spike"], f"{GOLD.name} has no such spike"
    return Spike(
        spike_id=spike_id(row["symbol"], row["minute"], kind),
        symbol=row["symbol"],
        minute=row["minute"],
        kind=kind,
        score=row[f"{kind}_spike_score"],
        price=row["close"],
        vwap=row["vwap"],
        volume=row["volume"],
        return_1m=row["return_1m"],
        is_complete=row["is_complete"],
        received_at=row["minute"],
        detected_at=datetime.now(UTC),
    )


@contextmanager
def serving_api(market: Market, log: Path) -> Iterator[None]:
    """`firehose api` as a process, until the block ends."""
    environment = {**os.environ, **settings_environment(market.settings)}
    command = [sys.executable, "-m", "firehose_dagster.cli", "api"]
    with log.open("wb") as output, subprocess.Popen(command, env=environment, stdout=output, stderr=output) as api:
        try:
            _wait_until_it_answers(market)
            yield
        finally:
            api.terminate()


@retry(stop=stop_after_delay(60), wait=wait_fixed(0.2), reraise=True)
def _wait_until_it_answers(market: Market) -> None:
    httpx.get(f"{market.api_url}/v1/health", trust_env=False).raise_for_status()
