"""The catalog under fire: killed, locked, full, written by many at once, its server gone. What it has acknowledged it has."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataproducts.catalog import database as databases
from dataproducts.catalog import reading
from dataproducts.catalog.database import Database
from dataproducts.catalog.export import export
from dataproducts.catalog.store import Store
from dataproducts.errors import CatalogUnavailable
from tests.catalog.conftest import empty_file, empty_name, new_database, new_store, postgres, store  # noqa: F401 - fixtures
from tests.catalog.messages import dataset, delivery, product, random_history
from tests.reliability.catalog_worker import NOW

ROOT = Path(__file__).parents[2]
SEEDS = int(os.environ.get("CATALOG_SEEDS") or (40 if os.environ.get("CI") else 1))  # of each database


def worker(url: str, seed: int, order: str, length: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/reliability/catalog_worker.py"), url, str(seed), order, str(length)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    return process


def exported(database: Database) -> str:
    with database.reading() as connection:
        return "".join(export(connection))


def straight(new_database: Callable[[str], Database], seed: int, length: int) -> str:  # noqa: F811
    database = new_database("straight")
    store = Store(database, lambda: NOW)  # noqa: F811
    store.apply(list(random_history(seed, length)))
    return exported(database)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_catalog_killed_anywhere_and_told_again_has_everything(seed: int, new_database: Callable[[str], Database]) -> None:  # noqa: F811
    length, r = 60, random.Random(seed)
    database = new_database("killed")
    database.migrate()
    for kill in range(3):
        process = worker(database.url, seed, f"{seed}-{kill}", length)
        assert process.stdout is not None
        for _ in range(r.randint(1, 6)):
            process.stdout.readline()
        time.sleep(r.random() * 0.02)
        process.kill()
        process.communicate()
    process = worker(database.url, seed, "last", length)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors[-2000:]
    assert exported(database) == straight(new_database, seed, length)


def test_writers_at_once_lose_nothing_and_a_follower_of_the_feed_misses_nothing(new_database: Callable[[str], Database]) -> None:  # noqa: F811
    database, length = new_database("crowd"), 50
    database.migrate()
    processes = [worker(database.url, 7, f"writer {n}", length) for n in range(3)]
    seen: list[int] = []
    while any(process.poll() is None for process in processes):
        with database.reading() as connection:
            seen += [n.seq for n in reading.news(connection, after=seen[-1] if seen else 0, limit=1_000)]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors[-2000:]
    with database.reading() as connection:
        seen += [n.seq for n in reading.news(connection, after=seen[-1], limit=1_000)]
        assert seen == [n.seq for n in reading.news(connection, limit=10_000)]
    assert exported(database) == straight(new_database, 7, length)


def test_a_locked_database_is_one_sentence_and_the_same_again_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "BUSY_SECONDS", 0.2)
    store = Store(Database(f"sqlite:///{tmp_path}/c.db"), lambda: NOW)  # noqa: F811
    store.apply([product(), dataset()])
    before = exported(store.database)
    other = sqlite3.connect(tmp_path / "c.db", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(CatalogUnavailable, match="cannot be used just now: database is locked; nothing was stored"):
        store.apply([delivery()])
    assert exported(store.database) == before
    other.execute("rollback")
    assert [receipt.status for receipt in store.apply([delivery()])] == ["stored"]


FULL = """
import resource, signal, sys
from dataproducts.catalog.database import Database
from dataproducts.catalog.export import export
from dataproducts.catalog.store import Store
from dataproducts.errors import CatalogUnavailable
from tests.catalog.messages import column, dataset, product
from tests.reliability.catalog_worker import NOW

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = Database(f"sqlite:///{sys.argv[1]}")
store = Store(database, lambda: NOW)
store.apply([product(), dataset()])
def all_of_it():
    with database.reading() as connection:
        return "".join(export(connection))
before = all_of_it()
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
size = max(path.stat().st_size for path in __import__("pathlib").Path(sys.argv[1]).parent.iterdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50_000, limits[1]))
large = [dataset(f"shop/d{n}", columns=[column(f"c{i}", description="x " * 400) for i in range(20)]) for n in range(20)]
try:
    store.apply(large)
except CatalogUnavailable as error:
    print(error)
assert all_of_it() == before
resource.setrlimit(resource.RLIMIT_FSIZE, limits)
assert {receipt.status for receipt in store.apply(large)} == {"stored"}
with database.reading() as connection:
    print(connection.exec_driver_sql("pragma integrity_check").scalar())
"""


def test_a_full_disk_stores_nothing_and_spoils_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "c.db")],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    sentence, health = done.stdout.splitlines()
    assert sentence.startswith("the catalog's database cannot be used just now: ")
    assert sentence.endswith("nothing was stored")
    assert health == "ok"


def test_readers_see_whole_transactions_while_others_write(new_store: Callable[..., Store]) -> None:  # noqa: F811
    store = new_store("busy")  # noqa: F811
    store.apply([product(), dataset()])
    stop = threading.Event()
    faults: list[Any] = []

    def read() -> None:
        while not stop.is_set():
            with store.database.reading() as connection:
                page = reading.dataset(connection, "shop/sales")
                assert page is not None
                if page.state.partitions != len(page.partitions) or page.state.rows != sum(p.rows for p in page.partitions):
                    faults.append(page)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for day in range(1, 25):
        store.apply([delivery(partition=f"2026-11-{day:02}", hours=day)])
    stop.set()
    for reader in readers:
        reader.join()
    assert faults == []


def test_a_server_that_crashes_between_messages_loses_none(postgres: Any) -> None:  # noqa: F811
    database = Database(postgres.new())
    store = Store(database, lambda: NOW)  # noqa: F811
    history = list(random_history(3, 40))
    store.apply(history[:20])
    postgres.stop("immediate")
    try:
        with pytest.raises(CatalogUnavailable):
            store.apply(history[20:])
    finally:
        postgres.start()
    store.apply(history[20:])
    assert [receipt.status for receipt in store.apply(history)] == ["already"] * len(history)
    database.close()
