"""The catalog's pages in a real browser: found, followed, copied; by keyboard, without JavaScript, on a phone, and by axe's rules."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import uvicorn

from dataproducts.catalog.web.app import create_app
from dataproducts.catalog.web.catalog import Catalog, Limits
from tests.addresses import free_port
from tests.catalog.pages import sample

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(__file__).parent / "vendor" / "axe-4.14.1.min.js"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="needs a browser: install Debian's package chromium"),
    pytest.mark.xdist_group("catalog-ui"),
]
each_page = pytest.mark.parametrize("address", sample.PAGES.values(), ids=list(sample.PAGES))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the sample catalog is served."""
    store = sample.filled(tmp_path_factory.mktemp("catalog"))
    port = free_port()
    catalog = Catalog(store.database, store, base_url=f"http://localhost:{port}", local=True, limits=Limits(rate=0))
    server = uvicorn.Server(uvicorn.Config(create_app(catalog), host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the catalog did not start"
        time.sleep(0.02)
    yield f"http://localhost:{port}"
    server.should_exit = True
    thread.join(20)
    store.database.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any, url: str) -> Iterator[Any]:
    """Opens a page in a context of its own; at the end nothing may have been refused by the policy, and nothing thrown."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def opened(address: str = "/", **context: Any) -> Any:
        made = browser.new_context(base_url=url, **{"locale": "nb-NO", "viewport": {"width": 1280, "height": 900}, **context})
        contexts.append(made)
        page = made.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" and not _is_expected(said.text) else None)
        page.on("request", lambda asked: None if asked.url.startswith(url) else wrong.append(f"asked for {asked.url}"))
        page.goto(address)
        return page

    yield opened
    for one in contexts:
        one.close()
    assert wrong == []


def test_from_a_search_to_a_dataset_to_its_lineage_to_copied_code(opened: Any) -> None:
    page = opened("/", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("combobox").fill("stillinger per dag")
    page.get_by_role("button", name="Søk", exact=True).click()
    page.get_by_role("heading", name="Stillinger per dag").get_by_role("link").click()
    page.wait_for_url("**/datasets/stillinger/stillinger_daglig")
    page.locator("svg.dp-lineage").get_by_role("link", name="Arbeidsgivere").first.click()
    page.wait_for_url("**/datasets/stillinger/arbeidsgivere")
    page.get_by_role("button", name="Kopier: Python").click()
    page.get_by_text("Kopiert").first.wait_for()
    assert 'dataproducts.read("stillinger/arbeidsgivere")' in page.evaluate("navigator.clipboard.readText()")


def test_results_follow_what_is_typed_and_chosen_and_the_address_holds_it(opened: Any) -> None:
    page = opened("/search")
    page.locator("#q").press_sequentially("enheter", delay=15)
    page.wait_for_url("**/search?q=enheter")
    page.get_by_role("heading", name="Enheter", exact=True).wait_for()
    box = page.get_by_role("checkbox", name="Datasett")
    box.check()
    page.wait_for_url("**kind=dataset**")
    page.get_by_role("list", name="Valgte filtre").get_by_role("link", name="Fjern filteret Type: Datasett").wait_for()
    assert page.evaluate("document.activeElement.value") == "dataset", "the keyboard stays where it was"
    told = page.locator("#count").inner_text()
    page.reload()
    assert page.get_by_role("checkbox", name="Datasett").is_checked()
    assert page.locator("#count").inner_text() == told
    page.go_back()
    page.wait_for_url("**/search?q=enheter")


def test_everything_on_the_way_can_be_done_by_keyboard(opened: Any) -> None:
    page = opened("/", permissions=["clipboard-read", "clipboard-write"])
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Hopp til innholdet"
    page.keyboard.press("/")
    with page.expect_response(
        lambda answer: parse_qs(urlsplit(answer.url).query).get("q") == ["arbeidsgivere m"]
    ):  # those of its beginnings come and go
        page.keyboard.type("arbeidsgivere m", delay=15)
    page.locator("[role=option][data-href$='/datasets/stillinger/arbeidsgivere']").first.wait_for()
    assert page.get_by_role("combobox").get_attribute("aria-expanded") == "true"
    page.keyboard.press("ArrowDown")
    chosen = page.get_by_role("combobox").get_attribute("aria-activedescendant")
    assert page.locator(f"#{chosen}").get_attribute("aria-selected") == "true"
    page.keyboard.press("Enter")
    page.wait_for_url("**/datasets/stillinger/arbeidsgivere")
    _tab_to(page, "Avstamning")
    page.keyboard.press("Enter")
    page.wait_for_url("**/lineage")
    _tab_to(page, "Enheter, enhetsregisteret", label=True)
    assert page.evaluate("getComputedStyle(document.activeElement.querySelector('.dp-hit')).strokeWidth") != "0px"
    page.keyboard.press("Enter")
    page.wait_for_url("**/datasets/enhetsregisteret/enheter")
    _tab_to(page, "Kopier: Python", label=True)
    page.keyboard.press("Enter")
    page.get_by_text("Kopiert").first.wait_for()
    assert "enhetsregisteret/enheter" in page.evaluate("navigator.clipboard.readText()")


def test_escape_closes_the_suggestions_and_focus_is_always_seen(opened: Any) -> None:
    page = opened("/about")
    page.keyboard.press("/")
    page.keyboard.type("enh", delay=15)
    page.locator("[role=option]").first.wait_for()
    page.keyboard.press("Escape")
    assert page.get_by_role("combobox").get_attribute("aria-expanded") == "false"
    page.goto("/datasets/enhetsregisteret/enheter")
    for _ in range(40):
        page.keyboard.press("Tab")
        seen = page.evaluate(
            "(() => { const e = document.activeElement; if (e === document.body) return 'body'; const s = getComputedStyle(e);"
            "return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 || e.closest('svg') ? 'seen' : e.outerHTML.slice(0, 200) })()"
        )
        assert seen in ("seen", "body")


def test_without_javascript_one_can_search_filter_follow_and_read_the_code(opened: Any) -> None:
    page = opened("/", java_script_enabled=False)
    page.get_by_role("searchbox").fill("enheter")
    page.get_by_role("button", name="Søk", exact=True).click()
    page.get_by_role("checkbox", name="Datasett").check()
    page.get_by_role("button", name="Bruk filtrene").click()
    page.wait_for_url("**kind=dataset**")
    page.get_by_role("heading", name="Enheter", exact=True).get_by_role("link").click()
    assert page.locator("pre").first.is_visible()
    assert not page.locator("button.copy").first.is_visible()
    page.get_by_text("Vis som tabell").first.click()
    assert page.locator("#partitions-table").is_visible()
    page.get_by_role("navigation", name="Om datasettet").get_by_role("link", name="Avstamning").click()
    page.get_by_role("link", name="Vis et ledd til nedstrøms").click()
    page.wait_for_url("**down=2**")
    page.get_by_role("link", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"


def test_a_question_is_asked_where_one_may(opened: Any) -> None:
    page = opened("/datasets/saksflyt/hendelser")
    page.get_by_text("Skriv noe").click()
    page.get_by_label("Spørsmålet eller kommentaren").fill("Hvor **ofte** kommer hendelsene?")
    page.get_by_label("Navnet ditt").first.fill("Kari")
    page.get_by_role("button", name="Send").first.click()
    page.wait_for_url("**/datasets/saksflyt/hendelser#talk")
    assert page.locator(".remark strong").inner_text() == "ofte"


@each_page
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong(opened: Any, address: str, scheme: str) -> None:
    page = opened(address, color_scheme=scheme, reduced_motion="reduce")
    for fold in page.locator("main details:not([open]) > summary").all():
        if fold.is_visible():
            fold.click()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(
        "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
        ".then(r => r.violations.map(v => [v.id, v.help, v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + ' ' + n.failureSummary)]))"
    )
    assert found == []


@each_page
@pytest.mark.parametrize("width", [320, 390])
def test_nothing_scrolls_sideways_on_a_phone_or_at_400_percent(opened: Any, address: str, width: int) -> None:
    page = opened(address, viewport={"width": width, "height": 700})
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, page.evaluate(
        f"[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > {width} && !e.closest('.scroll, pre, .tabs'))"
        ".slice(0, 5).map(e => e.outerHTML.slice(0, 160))"
    )


def test_what_is_touched_is_large_enough(opened: Any) -> None:
    for address in ("/", "/search?q=enheter", "/datasets/enhetsregisteret/enheter", "/datasets/enhetsregisteret/enheter/lineage"):
        page = opened(address, viewport={"width": 390, "height": 800})
        small = page.evaluate(
            "[...document.querySelectorAll('a, button, input, select, summary')].filter(e => {"
            "if (e.closest('p, li, td, th, dd, .unseen, .skip, svg, label') && getComputedStyle(e).display === 'inline') return false;"
            "const r = e.getBoundingClientRect(); if (!r.width || e.closest('label, .skip, .unseen')) return false; return r.height < 23.5 || r.width < 23.5 })"
            ".map(e => e.outerHTML.slice(0, 120))"
        )
        assert small == []


def test_on_paper_the_page_is_the_content(opened: Any) -> None:
    page = opened("/datasets/enhetsregisteret/enheter")
    page.emulate_media(media="print")
    assert not page.locator("header.site").is_visible()
    assert not page.locator("button.copy").first.is_visible()
    assert page.locator("h1").is_visible()
    assert page.locator(".column-table").is_visible()


def _is_expected(said: str) -> bool:
    """A page that is not there, and a search that a newer one has overtaken."""
    return "404" in said or said.startswith(("htmx:sendAbort", "htmx:afterRequest"))


def _tab_to(page: Any, name: str, *, label: bool = False) -> None:
    """Press Tab until a link or button is reached, by its text or the beginning of its label."""
    own = "document.activeElement.textContent.trim()"
    read = f"document.activeElement.getAttribute('aria-label') || {own}" if label else own
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate(read).startswith(name):
            return
    raise AssertionError(f"{name!r} cannot be reached by Tab")
