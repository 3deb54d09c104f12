"""The live page in a real browser, from the real process: what a person sees, wide and narrow."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from firehose_dagster.settings import Settings
from firehose_dagster_tests.api.market_lake import Market, this_minute, write_market
from firehose_dagster_tests.api.running_api import running_api
from firehose_dagster_tests.demo.browser import MISSING, browser, save_picture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.stack,
    pytest.mark.skipif(MISSING is not None, reason=MISSING or ""),
]

WIDTHS = {"wide": (1600, 950), "narrow": (420, 1250)}
_IS_READY = "return document.body.dataset.ready === 'true'"
_CANDLES = "return candles.data().filter(each => each.open !== undefined).length"


@pytest.fixture(scope="module")
def live_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A market up to this minute."""
    settings = Settings(home=tmp_path_factory.mktemp("live"))
    write_market(settings, Market(this_minute()))
    return settings


@pytest.fixture(scope="module")
def address(live_settings: Settings) -> Iterator[str]:
    with running_api(live_settings) as started:
        yield started


@pytest.fixture(scope="module")
def page() -> Iterator[webdriver.Chrome]:
    with browser() as opened:
        opened.execute_cdp_cmd("Network.enable", {})
        yield opened


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: the folder named by FIREHOSE_IMAGES, else one that is thrown away."""
    return Path(os.environ.get("FIREHOSE_IMAGES") or tmp_path_factory.mktemp("images"))


def show(page: webdriver.Chrome, address: str, width: str = "wide") -> None:
    """Open the page in a window of this width and wait until all is drawn."""
    across, down = WIDTHS[width]
    metrics = {"width": across, "height": down, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.get("about:blank")
    page.get(address)
    WebDriverWait(page, 60).until(lambda shown: shown.execute_script(_IS_READY))


def row_of(page: webdriver.Chrome, symbol: str) -> Any:
    return page.find_element(By.CSS_SELECTOR, f'tr[data-symbol="{symbol}"]')


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_and_nothing_goes_wrong(
    page: webdriver.Chrome, address: str, images: Path, width: str
) -> None:
    show(page, f"{address}/#SOLUSDT", width)
    save_picture(page, images / f"live-page-{width}.png")
    assert page.execute_script("return document.documentElement.scrollWidth") == WIDTHS[width][0]
    table = page.find_element(By.ID, "symbols")
    assert page.execute_script("return arguments[0].scrollWidth <= arguments[0].clientWidth", table)
    assert page.get_log("browser") == []  # type: ignore[no-untyped-call] # selenium leaves it untyped


def test_each_symbol_tells_price_change_age_spikes_and_what_is_held(page: webdriver.Chrome, address: str) -> None:
    show(page, address)
    symbols = [row.get_attribute("data-symbol") for row in page.find_elements(By.CSS_SELECTOR, "#pulse tr")]
    assert symbols == ["BNBUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]
    assert "vol 1" in row_of(page, "BTCUSDT").text
    assert "price 1" in row_of(page, "SOLUSDT").text
    # 24 hours, the newest open; of one hour of ETHUSDT 25 trades are missing.
    looks = [cell.get_attribute("class") for cell in row_of(page, "ETHUSDT").find_elements(By.CSS_SELECTOR, ".cell")]
    assert (len(looks), looks.count("cell missing"), looks[-1]) == (24, 1, "cell open")
    assert "\N{MINUS SIGN}25" in row_of(page, "ETHUSDT").text
    assert page.find_element(By.ID, "state").text == "live, 1 symbol incomplete in the last hour"
    assert page.find_element(By.ID, "lag").text == "1.4 s"


def test_a_click_on_a_symbol_draws_its_candles_vwap_volume_and_spikes(page: webdriver.Chrome, address: str) -> None:
    show(page, address)
    row_of(page, "BTCUSDT").click()
    WebDriverWait(page, 30).until(lambda shown: shown.execute_script("return state.minutes[0]?.symbol") == "BTCUSDT")
    assert page.execute_script(_CANDLES) == 360
    assert page.execute_script("return [vwap, volume].map(each => each.data().filter(p => p.value > 0).length)") == [
        *(360, 360)
    ]
    assert page.execute_script("return markers.markers().map(each => each.text)") == ["volume"]
    assert page.find_element(By.ID, "chart-symbol").text == "BTCUSDT"
    assert page.current_url.endswith("#BTCUSDT")
    legend = page.find_element(By.ID, "chart-legend").text
    assert all(name in legend for name in ("O ", "H ", "L ", "C ", "VWAP", "Vol")), legend


def test_a_minute_without_trades_is_a_gap_in_the_chart(page: webdriver.Chrome, address: str) -> None:
    show(page, f"{address}/#XRPUSDT")
    # Of the minutes ago = 0 to 359 those with ago % 7 == 3 are 51.
    assert page.execute_script(_CANDLES) == 360 - 51
    first, last = (
        page.execute_script(f"return chart.timeScale().timeToIndex(epoch(state.minutes.at({at}).minute))")
        for at in (0, -1)
    )
    assert last - first == 359


def test_the_page_asks_no_other_server(page: webdriver.Chrome, address: str) -> None:
    show(page, address)
    asked = page.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
    assert asked
    assert [url for url in asked if not url.startswith(address)] == []
    page.get(f"{address}/docs")
    WebDriverWait(page, 60).until(lambda shown: "/v1/pulse" in shown.find_element(By.TAG_NAME, "body").text)
    asked = page.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
    assert [url for url in asked if not url.startswith(address)] == []


def test_a_page_of_an_api_with_a_token_asks_for_it(page: webdriver.Chrome, live_settings: Settings) -> None:
    guarded = live_settings.model_copy(update={"api_token": SecretStr("correct horse")})
    with running_api(guarded) as address:
        page.get(address)
        form = page.find_element(By.ID, "token-form")
        WebDriverWait(page, 30).until(lambda _: form.is_displayed())
        page.find_element(By.ID, "token").send_keys("correct horse\n")
        WebDriverWait(page, 30).until(lambda shown: shown.execute_script(_IS_READY))
        assert not form.is_displayed()
        assert "BTCUSDT" in page.find_element(By.ID, "pulse").text
