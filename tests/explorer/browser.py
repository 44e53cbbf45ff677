"""A page in a real browser: Chromium, without a network, and with every message kept."""

import contextlib
import os
import shutil
from pathlib import Path

import pytest

NOTHING: dict = {  # what the page is given by a run that has nothing
    "summary": "",
    "folder": "results",
    "models": [],
    "deep_models": [],
    "games": [],
    "diagnoses": {},
    "claims": None,
    "effects": None,
    "hypotheses": [],
    "courses": [],
    "figures": [],
}
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find_browser() -> str | None:
    """The browser of $CHROMIUM, or the first one on the path."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


needs_browser = pytest.mark.skipif(
    find_browser() is None, reason="there is no Chromium (Debian: apt-get install chromium)"
)


@contextlib.contextmanager
def open_page(path: Path, address: str = "", width: int = 1400, height: int = 900, **options):
    """The page at an address ("#view=play"), ready; at the end: no message, nothing from outside.

    Args:
        options: of playwright's new_page, such as color_scheme="dark" or reduced_motion="reduce".
    """
    from playwright.sync_api import sync_playwright

    messages: list[str] = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=True, **options
        )
        page = context.new_page()
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.on("request", lambda request: _check_address(request.url, messages))
        page.goto(f"{path.resolve().as_uri()}{address}")
        page.wait_for_selector("html[data-ready=yes]", timeout=20_000)
        yield page
        browser.close()
    assert not messages, messages


def _check_address(url: str, messages: list[str]) -> None:
    if not url.startswith(("file:", "data:", "blob:")):
        messages.append(f"asks for {url}")
