"""The catalog as it runs: starts at once, says how it is doing, counts without knowing whom, and ends without dropping anything."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from dataproducts.catalog import tables as t
from dataproducts.catalog import tokens
from dataproducts.catalog.database import Database
from dataproducts.catalog.store import Store
from dataproducts.catalog.web import app as web
from dataproducts.catalog.web.catalog import Catalog
from dataproducts.cli.catalog import catalog
from tests.catalog.messages import at
from tests.catalog.web.client import BROWSER
from tests.catalog.web.conftest import published

COMMAND = [sys.executable, "-c", "from dataproducts.cli.catalog import catalog; catalog(prog_name='dataproducts catalog')"]


class Server:
    """A catalog in a process of its own."""

    def __init__(self, *options: str) -> None:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([*COMMAND, "serve", "--port", "0", *options], **pipes)
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        assert "The catalog is on" in line, line + self.process.stderr.read()
        self.port = int(line.split("localhost:")[1].split()[0])

    def get(self, path: str) -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return bytes(answer.read())

    def stop(self) -> tuple[int, str]:
        """Exit status and what it logged."""
        self.process.send_signal(signal.SIGTERM)
        log, _ = self.process.communicate(timeout=20)
        return self.process.returncode, log

    @property
    def resident(self) -> int:
        """Bytes of memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATAPRODUCTS_HOME", str(tmp_path / "home"))
    for variable in ("CATALOG_DATABASE_URL", "CATALOG_BASE_URL", "CATALOG_USER_HEADER", "CATALOG_URL"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "home"


@pytest.fixture
def new_server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def new(*options: str) -> Server:
        made.append(Server(*options))
        return made[-1]

    yield new
    for server in made:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate()


@pytest.fixture
def filled(home: Path) -> Store:
    """The database under the home, with a shop in it."""
    store = Store(Database())
    store.apply(published())
    return store


def test_it_is_ready_at_once_and_small_and_ends_cleanly(new_server, filled):
    server = new_server()
    assert server.get("/health/live") == b"alive\n"
    assert server.get("/health/ready") == b"ready\n"
    assert b"Sales" in server.get("/datasets/shop/sales.json")
    for path in ("/search?q=sales", "/api/v1/openapi.json", "/catalog.ttl", "/metrics"):
        assert server.get(path)
    assert server.resident < 150_000_000
    status, log = server.stop()
    assert status == 0
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["route"] for line in lines[:3]] == ["/health/live", "/health/ready", "/datasets/{product}/{dataset}.json"]
    assert all(line["status"] == 200 for line in lines)
    assert "q=sales" not in log


def test_what_was_begun_before_the_signal_is_finished_after_it(new_server, filled):
    secret = tokens.issue(filled, "shop", ["register:shop"])
    server = new_server()
    body = json.dumps({"name": "slow", "type": "tabell", "uri": "https://example.com"}).encode()
    head = f"PUT /api/v1/index HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body[:10])
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(OSError, match=r"refused|reset|timed"):  # nobody new is let in
            server.get("/health/live")
        connection.sendall(body[10:])
        connection.settimeout(10)
        assert connection.recv(100).startswith(b"HTTP/1.1 201")
    server.process.communicate(timeout=20)
    assert server.process.returncode == 0
    with filled.database.reading() as reading:
        assert reading.execute(sa.select(t.current.c.subject).where(t.current.c.subject == "entry:slow")).scalar()


def test_views_of_the_last_seconds_are_not_lost_at_the_end(new_server, filled):
    server = new_server()
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(b"GET /datasets/shop/sales HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
    assert connection.recv(20).startswith(b"HTTP/1.1 200")
    connection.close()
    assert server.stop()[0] == 0
    with filled.database.reading() as reading:
        assert reading.execute(sa.select(t.usage.c.subject, t.usage.c.views)).all() == [("dataset:shop/sales", 1)]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30)


def test_a_start_that_cannot_be_is_told_in_one_line(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert str(port) in done.stderr
    monkeypatch.setenv("CATALOG_DATABASE_URL", f"sqlite:///{tmp_path}")
    done = run("serve", "--port", "0")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    monkeypatch.setenv("CATALOG_DATABASE_URL", "mysql://x")
    assert "SQLite and PostgreSQL" in run("serve", "--port", "0").stderr
    monkeypatch.setenv("CATALOG_DATABASE_URL", "")
    monkeypatch.setenv("CATALOG_BASE_URL", "catalog")
    assert "CATALOG_BASE_URL" in run("serve", "--port", "0").stderr


def test_a_local_catalog_listens_to_this_machine_alone(new_server):
    done = run("serve", "--local", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 1
    assert "--local" in done.stderr
    server = new_server("--local")
    table = Path(f"/proc/{server.process.pid}/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in table if line.split()[3] == "0A" and int(line.split()[1].split(":")[1], 16) == server.port]
    assert [one.split(":")[0] for one in listening] == ["0100007F"]


# Beside requests


def in_its_life(site: Any, do: Callable[[], Any]) -> None:
    """Begin the application, do something in a thread, and end it."""

    async def whole() -> None:
        async with site.app.router.lifespan_context(site.app):
            await asyncio.to_thread(do)

    site.runner.run(whole())


def usage(site: Any) -> list[Any]:
    with site.catalog.database.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.select(t.usage).order_by(t.usage.c.subject, t.usage.c.day))]


def test_people_who_look_are_counted_by_day_and_nobody_else(any_site):
    site = any_site
    for _ in range(3):
        site.get("/datasets/shop/sales", **BROWSER)
    site.get("/search?q=secret+words", **BROWSER)
    site.ask("HEAD", "/datasets/shop/stock", headers=BROWSER)
    site.get("/datasets/shop/stock")
    site.get("/datasets/shop/stock", accept="application/json")
    site.get("/datasets/shop/stock", **BROWSER, **{"user-agent": "Googlebot/2.1"})
    site.get("/datasets/shop/nothing", **BROWSER)
    site.get("/api/v1/datasets/shop/stock", **BROWSER)
    assert site.catalog.views.flush() == 2
    assert usage(site) == [("dataset:shop/sales", "2026-11-02", 3), ("search", "2026-11-02", 1)]
    site.get("/datasets/shop/sales", **BROWSER)
    site.catalog.store.clock = lambda: at(60)
    site.get("/datasets/shop/sales", **BROWSER)
    site.catalog.views.flush()
    assert usage(site)[:2] == [("dataset:shop/sales", "2026-11-02", 4), ("dataset:shop/sales", "2026-11-03", 1)]


def test_views_that_could_not_be_written_are_written_later(site, monkeypatch):
    site.get("/datasets/shop/sales", **BROWSER)
    with monkeypatch.context() as broken:
        broken.setattr(site.catalog.database, "writing", lambda: (_ for _ in ()).throw(RuntimeError("full")))
        with pytest.raises(RuntimeError):
            site.catalog.views.flush()
    site.get("/datasets/shop/sales", **BROWSER)
    site.catalog.views.flush()
    assert usage(site) == [("dataset:shop/sales", "2026-11-02", 2)]


def test_what_is_due_becomes_late_without_anybody_asking(site, monkeypatch):
    monkeypatch.setattr(web, "EXPIRE_SECONDS", 0.02)
    site.catalog.store.clock = lambda: at(500)

    def until_late() -> None:
        for _ in range(200):
            with site.catalog.database.reading() as connection:
                own = sa.select(t.dataset_state.c.freshness).where(t.dataset_state.c.dataset == "shop/sales")
                if connection.execute(own).scalar() == "late":
                    return
            time.sleep(0.02)
        raise AssertionError("still fresh")

    in_its_life(site, until_late)
    assert site.get("/api/v1/search?freshness=late").json()["total"] == 1


def test_trouble_beside_requests_is_logged_and_tried_again(site, monkeypatch):
    monkeypatch.setattr(web, "FLUSH_SECONDS", 0.01)
    calls: list[int] = []

    def flush() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise RuntimeError("full")
        return 0

    monkeypatch.setattr(site.catalog.views, "flush", flush)

    def wait() -> None:
        for _ in range(300):
            if len(calls) > 3:
                return
            time.sleep(0.01)

    in_its_life(site, wait)
    assert len(calls) > 3


# How it is doing


def test_the_figures_are_those_of_deliveries_and_requests(any_site):
    any_site.get("/api/v1/datasets/shop/sales")
    any_site.get("/nowhere")
    answer = any_site.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = dict(line.rsplit(" ", 1) for line in answer.text.splitlines() if not line.startswith("#"))
    assert lines["catalog_up"] == "1.0"
    assert lines['catalog_lag_seconds{location="shop-location"}'] == "12.5"
    assert lines['catalog_dead_letters{location="shop-location"}'] == "2.0"
    assert lines['catalog_behind{location="shop-location"}'] == "1.0"
    assert lines['catalog_missing{location="shop-location"}'] == "0.0"
    assert float(lines['catalog_last_reconciliation_timestamp_seconds{location="shop-location"}']) == at(26).timestamp()
    assert lines["catalog_datasets_late"] == "0.0"
    route = 'catalog_request_seconds_count{method="GET",route="/api/v1/datasets/{product}/{dataset}",status="200"}'
    assert lines[route] == "1.0"
    assert lines['catalog_request_seconds_count{method="GET",route="-",status="404"}'] == "1.0"


def test_figures_by_route_do_not_grow_with_what_is_asked_for(site):
    for number in range(50):
        site.get(f"/datasets/shop/d{number}")
        site.get(f"/nowhere/{number}")
        site.ask(f"M{number}", "/")
    site.get("/metrics")  # from here on it is a route among the others
    before = len(site.get("/metrics").text)
    for number in range(50):
        site.get(f"/datasets/shop/e{number}")
        site.get(f"/elsewhere/{number}")
        site.ask(f"N{number}", "/")
    assert len(site.get("/metrics").text) < before * 1.1


def test_a_catalog_whose_database_is_gone_is_alive_but_not_ready(new_site, tmp_path):
    (tmp_path / "folder").mkdir()
    database = Database(f"sqlite:///{tmp_path}/folder")
    site = new_site(Store(database))
    assert site.get("/health/live").status == 200
    answer = site.get("/health/ready")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert "catalog_up 0.0" in site.get("/metrics").text
    assert site.get("/", **BROWSER).status == 503
    assert site.get("/api/v1/products").status == 503


# The command


def invoke(*arguments: str) -> Any:
    result = CliRunner().invoke(catalog, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_tokens_are_issued_listed_and_revoked(home):
    assert "nobody may write" in invoke("token", "list")[2]
    status, secret, note = invoke("token", "issue", "shop", "publish:shop-location", "register:shop", "--days", "30")
    assert (status, secret.startswith("dpc_"), "not shown again" in note) == (0, True, True)
    store = Store(Database())
    held = tokens.bearer(store, secret.strip())
    assert held is not None
    assert held.may("publish") == "shop-location"
    status, told, _ = invoke("token", "list", "--json")
    assert [(one["name"], one["state"], one["scopes"]) for one in json.loads(told)] == [
        ("shop", "valid", ["publish:shop-location", "register:shop"])
    ]
    assert secret.strip() not in told + invoke("token", "list")[1]
    status, _, said = invoke("token", "issue", "shop", "remark:x")
    assert status == 1
    assert "revoke it first" in said
    assert "not a scope" in invoke("token", "issue", "other", "everything")[2]
    assert invoke("token", "revoke", "shop")[0] == 0
    assert tokens.bearer(store, secret.strip()) is None
    assert invoke("token", "revoke", "shop")[0] == 1
    assert "revoked" in invoke("token", "list")[1]


def test_the_catalog_is_searched_from_the_terminal(filled):
    status, told, note = invoke("search", "sales")
    assert status == 0
    assert told.splitlines()[1].split()[:2] == ["dataset", "shop/sales"]
    assert "hit" in note
    found = json.loads(invoke("search", "sales", "--json")[1])
    assert found["items"][0]["id"] == "dataset:shop/sales"
    assert "nothing found" in invoke("search", "xyzzy")[2]
    assert "did you mean: sales" in invoke("search", "salles")[2]


def test_a_catalog_elsewhere_is_searched_too(new_server, filled, monkeypatch):
    here = json.loads(invoke("search", "sales", "--json")[1])
    server = new_server()
    monkeypatch.setenv("CATALOG_URL", f"http://127.0.0.1:{server.port}")
    there = json.loads(invoke("search", "sales", "--json")[1])
    assert [one["id"] for one in there["items"]] == [one["id"] for one in here["items"]]
    server.stop()
    status, _, said = invoke("search", "sales")
    assert (status, "CATALOG_URL" in said) == (1, True)


def test_all_of_it_can_be_taken_out(filled, tmp_path):
    status, told, _ = invoke("export")
    assert status == 0
    lines = [json.loads(line) for line in told.splitlines()]
    assert {"definition", "node", "edge", "version", "delivery"} <= {one["table"] for one in lines}
    assert invoke("export", "-o", str(tmp_path / "out.jsonl"))[0] == 0
    assert (tmp_path / "out.jsonl").read_text() == told


def test_the_environment_is_documented():
    from dataproducts.catalog.web.catalog import VARIABLES

    source = (Path(web.__file__).parent / "catalog.py").read_text()
    documented = Path("docs/catalog.md").read_text()
    for name in VARIABLES:
        assert f"`{name}`" in documented
    read = set(re.findall(r'environ(?:ment)?\.get\("(\w+)"', source)) | {"CATALOG_DATABASE_URL"}
    assert read == set(VARIABLES)


def test_nothing_heavy_is_loaded_to_serve():
    code = "import sys; import dataproducts.catalog.web.app, dataproducts.catalog.web.api, dataproducts.cli.catalog; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"dagster", "pandas", "polars", "duckdb", "pyarrow", "deltalake", "alembic", "rdflib", "httpx", "pandera"}


def test_a_catalog_closes_what_it_opened(home):
    database = Database()
    made = Catalog.of(database, port=1)
    assert (made.base_url, made.local) == ("http://localhost:1", False)
    with made.database.reading():
        pass
    database.close()
    assert not [one for one in Path("/proc/self/fd").iterdir() if str(home) in os.path.realpath(one)]
