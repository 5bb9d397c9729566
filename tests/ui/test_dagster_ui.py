"""Dagster's UI as `dataproducts up` leaves it, tried in a real browser."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from tests.addresses import free_port

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None and not os.environ.get("CI"), reason="needs a browser: install Debian's package chromium"),
    pytest.mark.xdist_group("ui"),
]
STARTS_WITHIN, RUNS_WITHIN = 300, 240  # seconds


@pytest.fixture(scope="module")
def today() -> str:
    return f"{datetime.now(ZoneInfo('Europe/Oslo')):%Y-%m-%d}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, today: str) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "first_day").write_text(today)  # one night instead of seven
    return home


@pytest.fixture(scope="module")
def url(home: Path) -> Iterator[str]:
    port, catalog_port = free_port(), free_port()
    environment = {k: v for k, v in os.environ.items() if k not in ("DAGSTER_HOME", "ENHETSREGISTERET_URL")}
    command = [sys.executable, "-m", "dataproducts", "up", "--port", str(port), "--catalog-port", str(catalog_port)]
    with (home / "up.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env={**environment, "DATAPRODUCTS_HOME": str(home)}, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + STARTS_WITHIN
        while "Everything is there" not in (home / "up.log").read_text():
            assert process.poll() is None, (home / "up.log").read_text()
            assert time.monotonic() < deadline, (home / "up.log").read_text()
            time.sleep(0.5)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()  # a job in the background of a shell does not hear SIGINT
        assert process.wait(60) == 0, (home / "up.log").read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    from playwright.sync_api import sync_playwright

    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*quiet, "--no-first-run"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: object, url: str) -> Iterator[object]:
    page = browser.new_page(viewport={"width": 1500, "height": 1300}, base_url=url)
    page.set_default_timeout(30_000)
    yield page
    page.close()


def test_the_graph_shows_every_dataset_and_its_source(page: object) -> None:
    page.goto("/locations/dataproducts/asset-groups/enhetsregisteret/lineage")
    for name in ("enheter", "enheter_historikk", "underenheter", "oppdateringer", "organisasjonsformer", "roller", "enheter_lastned"):
        page.get_by_text(name, exact=True).first.wait_for()


def test_the_columns_tab_shows_types_constraints_and_descriptions(page: object) -> None:
    page.goto("/assets/enhetsregisteret/enheter?view=overview")
    row = page.locator("tr, [role=row], div", has_text="organisasjonsnummer").filter(has_text="non-nullable").last
    row.wait_for()
    text = page.inner_text("body")
    assert "antall_aksjer" in text
    assert "personal_data: possibly_identifying" in text
    assert "team-register" in text


def test_checks_and_partitions_are_listed_with_their_state(page: object, today: str) -> None:
    page.goto("/assets/enhetsregisteret/enheter?view=checks")
    page.get_by_text("organisasjonsnummer_mod11").first.wait_for()
    page.get_by_text("key_unique").first.wait_for()
    page.goto("/assets/enhetsregisteret/enheter?view=partitions")
    page.get_by_text(today).first.wait_for()


def test_schedule_and_automation_are_on(page: object) -> None:
    page.goto("/automation")
    for name in ("enhetsregisteret_daily", "enhetsregisteret_automation"):
        page.get_by_text(name, exact=True).first.wait_for()
    page.locator("input[type=checkbox]:checked").nth(1).wait_for(state="attached")


def test_a_materialization_from_the_ui_succeeds(page: object, url: str, home: Path) -> None:
    before = _materializations(url)
    page.goto("/assets/enhetsregisteret/enheter?view=overview")
    page.get_by_role("button", name="Materialize").first.click()
    page.get_by_role("button", name="Latest", exact=True).click()
    page.get_by_role("button", name=re.compile("^Launch")).click()
    deadline = time.monotonic() + RUNS_WITHIN
    while (now := _materializations(url)) <= before:
        assert time.monotonic() < deadline, _why(url, home)
        time.sleep(1)
    assert now == before + 1
    page.goto("/assets/enhetsregisteret/enheter?view=events")
    page.get_by_text("Same content as before").first.wait_for()


def _materializations(url: str) -> int:
    query = '{ assetOrError(assetKey: {path: ["enhetsregisteret", "enheter"]}) { ... on Asset { assetMaterializations { runId } } } }'
    return len(_asked(url, query)["assetOrError"]["assetMaterializations"])


def _why(url: str, home: Path) -> str:
    """What became of the run that was asked for: the state of every run, and what the servers said last."""
    runs = _asked(url, "{ runsOrError { ... on Runs { results { jobName status creationTime startTime endTime } } } }")["runsOrError"][
        "results"
    ]
    said = (home / "dagster.log").read_text(errors="replace").splitlines()[-60:]
    return "no materialization came of it\n" + "\n".join([*map(str, runs), *said])


def _asked(url: str, query: str) -> dict:
    return httpx.post(f"{url}/graphql", json={"query": query}, timeout=30).json()["data"]
