"""The lake on an object store that fails: writers at once, errors, lost connections and lost answers over a real S3 wire protocol."""

from __future__ import annotations

import http.client
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest

from dataproducts.history.store import DatasetHistory
from tests.history.test_object_store import endpoint, lake  # noqa: F401 - fixtures
from tests.reliability.test_race import NAME, assert_consistent, write_at_once

pytestmark = pytest.mark.skipif(not os.environ.get("CI"), reason="waits for servers and retries, which takes minutes: set CI=1")

Fault = Literal["503", "500", "reset", "answer lost", "slow", None]
SEEDS = 2


@contextmanager
def failing(store: str, choose: Callable[[str, str], Fault]) -> Iterator[tuple[str, list[str]]]:
    """A proxy before an object store, which fails requests as chosen by method and path; its address, and what it did."""
    host, port = store.removeprefix("http://").split(":")
    did: list[str] = []

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = choose(self.command, self.path)
            if fault is not None:
                did.append(fault)
            if fault == "reset":
                self._hang_up()
                return
            if fault in ("500", "503"):
                self._answer(int(fault), {}, b"<Error><Code>SlowDown</Code></Error>")
                return
            if fault == "slow":
                time.sleep(0.5)
            upstream = http.client.HTTPConnection(host, int(port), timeout=60)
            upstream.request(self.command, self.path, body or None, dict(self.headers))
            answer = upstream.getresponse()
            content, headers = answer.read(), {k: v for k, v in answer.getheaders() if k.lower() not in ("transfer-encoding", "connection")}
            upstream.close()
            if fault == "answer lost":
                self._hang_up()
                return
            self._answer(answer.status, headers, content)

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.close()

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            with suppress(BrokenPipeError, ConnectionResetError):
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if not any(name.lower() == "content-length" for name in headers):
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    for method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
        setattr(Proxy, f"do_{method}", Proxy._pass)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", did
    server.shutdown()
    server.server_close()


def test_writers_at_once_over_s3_lose_nothing_and_double_nothing(lake: str) -> None:  # noqa: F811
    said = write_at_once(lake, (4, "2026-01-01", "1.0.0"), (4, "2026-01-01,2026-01-02", "1.0.0"))
    assert [answer["refused"] for answer in said] == [None, None]
    assert_consistent(lake, said)
    assert len(DatasetHistory(lake, NAME).versions("2026-01-01")) == 8


@pytest.mark.parametrize("seed", range(SEEDS))
def test_errors_and_lost_connections_lose_nothing_and_double_nothing(
    seed: int,
    lake: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance, store = random.Random(seed), os.environ["AWS_ENDPOINT_URL"]
    faults: list[Fault] = ["503", "500", "reset", "answer lost", "slow"]

    def choose(method: str, path: str) -> Fault:
        return chance.choice(faults) if chance.random() < 0.12 else None

    with failing(store, choose) as (proxy, did):
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy)
        said = write_at_once(lake, (3, "2026-01-01", "1.0.0"), (3, "2026-01-01,2026-01-02", "1.0.0"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    assert did
    assert [answer["refused"] for answer in said] == [None, None], (seed, said)
    assert_consistent(lake, said)


def test_a_commit_whose_answer_was_lost_is_not_made_twice(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    store, lost = os.environ["AWS_ENDPOINT_URL"], set[str]()

    def choose(method: str, path: str) -> Fault:
        log = Path(path.partition("?")[0])
        if method == "PUT" and log.parent.name == "_delta_log" and log.suffix == ".json" and path not in lost:
            lost.add(path)
            return "answer lost"
        return None

    with failing(store, choose) as (proxy, did):
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy)
        said = write_at_once(lake, (3, "2026-01-01", "1.0.0"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    assert set(did) == {"answer lost"}
    assert said[0]["refused"] is None, json.dumps(said)
    assert_consistent(lake, said)
    assert [v.number for v in DatasetHistory(lake, NAME).versions()] == [1, 2, 3]


def test_a_store_that_answers_nothing_but_errors_is_told_in_one_sentence_and_nothing_is_stored(
    lake: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = os.environ["AWS_ENDPOINT_URL"]
    write_at_once(lake, (1, "2026-01-01", "1.0.0"))
    with failing(store, lambda method, path: "500" if method == "PUT" else None) as (proxy, _):
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy)
        monkeypatch.setenv("AWS_MAX_RETRIES", "1")
        said = write_at_once(lake, (1, "2026-01-02", "1.0.0"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)
    assert said[0]["committed"] == []
    assert said[0]["refused"].startswith(f"{NAME}: the history at {lake}/weather/readings")
    assert said[0]["refused"].endswith("nothing was stored")
    assert [(v.partition, v.number) for v in DatasetHistory(lake, NAME).versions()] == [("2026-01-01", 1)]
