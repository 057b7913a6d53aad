"""The report in a real browser: nothing is fetched, nothing complains, tables sort, and it fits every screen.

Skipped where there is no Chromium (or no playwright to drive it); under CI that is a failure.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_report import FOLDER

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PAGE = FOLDER / "audit.html"
SORTED = "#all table"

Visit = tuple[Any, list[str], list[str]]
"""The page, the addresses it asked for, and what the console said."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    missing = "Chromium (apt-get install chromium)" if CHROMIUM is None else ""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = missing or "playwright (pip install playwright)"
    if missing:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the report can't be tested without {missing}")
        pytest.skip(f"needs {missing}")
    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


def visit(browser: Any, width: int = 1280, scheme: str = "light", **more: Any) -> Visit:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, **more)
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(PAGE.as_uri())
    return page, asked, said


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(1280, "light"), (1280, "dark"), (820, "light"), (390, "light"), (390, "dark"), (320, "light")],
)
def test_it_asks_for_nothing_complains_of_nothing_and_fits(browser: Any, width: int, scheme: str) -> None:
    page, asked, said = visit(browser, width, scheme)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    assert asked == [PAGE.as_uri()] and said == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    first = page.locator("h1 .figure").bounding_box()
    assert first["x"] >= 0 and first["x"] + first["width"] <= width
    page.context.close()


def test_the_first_screen_holds_the_five_answers(browser: Any) -> None:
    page, _, _ = visit(browser)
    bottoms = page.evaluate(
        "[...document.querySelectorAll('h1, nav .card')].map((part) => part.getBoundingClientRect().bottom)"
    )
    assert len(bottoms) == 5 and max(bottoms) <= 800
    page.context.close()


def test_light_and_dark_differ_and_can_both_be_read(browser: Any) -> None:
    shades = {}
    for scheme in ("light", "dark"):
        page, _, _ = visit(browser, scheme=scheme)
        colors = page.evaluate("['color', 'backgroundColor'].map((name) => getComputedStyle(document.body)[name])")
        shades[scheme] = [sum(map(int, re.findall(r"\d+", color)[:3])) / 3 for color in colors]
        page.context.close()
    (ink, paper), (chalk, board) = shades["light"], shades["dark"]
    assert paper - ink > 150 and chalk - board > 150


def column(page: Any, place: int) -> list[str]:
    return [text.strip() for text in page.locator(f"{SORTED} tbody tr > :nth-child({place})").all_inner_texts()]


def test_a_table_is_sorted_by_a_click_and_by_the_keyboard(browser: Any) -> None:
    page, _, said = visit(browser)
    before = column(page, 1)
    page.get_by_role("button", name="Model").last.click()
    models = column(page, 2)
    assert models == sorted(models) and column(page, 1) != before
    header = page.locator(f"{SORTED} thead th").nth(2)
    assert header.inner_text().startswith("Requests") and header.get_attribute("aria-sort") is None
    header.get_by_role("button").focus()
    page.keyboard.press("Enter")
    counts = [int(text.replace(",", "")) for text in column(page, 3)]
    assert counts == sorted(counts, reverse=True) and header.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Space")
    assert column(page, 3) == [f"{n:,}" for n in sorted(counts)] and header.get_attribute("aria-sort") == "ascending"
    assert page.locator(f"{SORTED} th[aria-sort]").count() == 1 and said == []
    page.context.close()


def test_dollars_are_sorted_as_numbers(browser: Any) -> None:
    page, _, _ = visit(browser)
    cost = page.locator(f"{SORTED} thead th").nth(4).get_by_role("button")
    cost.click()
    cost.click()
    assert column(page, 5)[0] == "no price" and column(page, 5)[-1].startswith("$2")
    page.context.close()


def test_it_is_whole_without_javascript(browser: Any) -> None:
    page, asked, said = visit(browser, java_script_enabled=False)
    assert page.get_by_role("button").count() == 0 and page.locator(f"{SORTED} thead th").first.is_visible()
    page.locator("summary").first.click()
    assert (
        page.get_by_role("rowheader", name="2026-10-22", exact=True).is_visible()
        and asked == [PAGE.as_uri()]
        and said == []
    )
    page.context.close()


def test_no_script_but_its_own_runs(browser: Any) -> None:
    page, _, said = visit(browser)
    page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "document.title = 'owned'";
            document.body.append(script);
            const image = new Image();
            image.src = "https://example.invalid/x.png";
            document.body.append(image);
        }"""
    )
    page.wait_for_timeout(100)
    assert page.title().startswith("Claude spending") and len(said) == 2
    page.context.close()


def test_what_is_folded_away_is_printed(browser: Any, tmp_path: Path) -> None:
    page, _, _ = visit(browser)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
    page.pdf(path=str(tmp_path / "page.pdf"))
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")
    page.context.close()
