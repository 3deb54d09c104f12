"""A headless Chromium that looks at the UI as a person does."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

_FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--window-size=2000,1100"),
)
_CHROMIUM = next((path for name in ("chromium", "chromium-browser") if (path := shutil.which(name))), None)
_DRIVER = shutil.which("chromedriver")
MISSING = None if _CHROMIUM and _DRIVER else "Chromium and chromedriver are not on the path"


_PRESS = """
const button = [...document.querySelectorAll("button")].find(each => each.innerText.trim() === arguments[0]);
if (button) { button.click(); }
return Boolean(button);"""


@contextlib.contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Of its own, empty profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(_CHROMIUM)
    with tempfile.TemporaryDirectory(prefix="firehose-browser-") as profile:
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        page = webdriver.Chrome(options=options, service=Service(str(_DRIVER)))
        try:
            yield page
        finally:
            page.quit()


def open_page(page: webdriver.Chrome, address: str, awaited_text: str) -> None:
    """Open the address and wait until the text is there."""
    page.get(address)
    WebDriverWait(page, 60).until(
        lambda shown: awaited_text.lower() in str(shown.execute_script("return document.body.innerText")).lower()
    )


def press(page: webdriver.Chrome, text: str) -> bool:
    """Click the button of this text where there is one. Found and clicked in one step, for the page redraws itself."""
    return bool(page.execute_script(_PRESS, text))


def save_picture(page: webdriver.Chrome, path: Path) -> None:
    """Save what is seen once two looks in a row are the same, for the layout moves."""
    previous, current = b"", page.get_screenshot_as_png()
    for _ in range(20):
        if current == previous:
            break
        time.sleep(0.5)  # between two looks at another process
        previous, current = current, page.get_screenshot_as_png()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(current)
