"""A publisher killed at any moment, or two at once, never lose a row, never double one, and never show half a version."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.ports.bigquery import BigQuery
from dataproducts.ports.journal import Journal
from tests import bigquery as bq
from tests.reliability.bigquery_worker import CONTRACT, offered

WORKER = Path(__file__).with_name("bigquery_worker.py")
ROOT = Path(__file__).parents[2]
SEEDS = int(os.environ.get("BIGQUERY_SEEDS") or (100 if os.environ.get("CI") else 5))
RACES = max(2, SEEDS // 10)
GROUPS = 2  # so that the seeds spread over the test processes
DAYS = [f"2026-01-{day:02}" for day in range(1, 5)]
EDITIONS = 2


@pytest.fixture(scope="module")
def gateway() -> Iterator[bq.Gateway]:
    if bq.environment() is None:
        pytest.skip(bq.NOT_THERE)
    with bq.server() as gateway:
        yield gateway


@pytest.fixture(autouse=True)
def environment(gateway: bq.Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGQUERY_PROJECT", bq.PROJECT)
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", gateway.url)


class Worker:
    """The process that forks."""

    def __init__(self, gateway: bq.Gateway) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "POLARS_MAX_THREADS": "2",
                "OPENBLAS_NUM_THREADS": "1",
                "_RJEM_MALLOC_CONF": "background_thread:false",  # a fork takes no threads along
                "PYTHONWARNINGS": "ignore",
                "BIGQUERY_PROJECT": bq.PROJECT,
                "BIGQUERY_EMULATOR_HOST": gateway.url,
            },
        )

    def ask(self, *children: dict[str, Any]) -> list[dict[str, Any]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(children) + "\n")
        self.process.stdin.flush()
        return list(json.loads(self.process.stdout.readline()))


@pytest.fixture(scope="module")
def worker(gateway: bq.Gateway) -> Iterator[Worker]:
    worker = Worker(gateway)
    yield worker
    worker.process.kill()
    worker.process.wait()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with several versions of several days, some without rows."""
    lake = tmp_path_factory.mktemp("lake")
    history = DatasetHistory(str(lake), CONTRACT.dataset)
    chance = random.Random(1)
    for edition in range(EDITIONS):
        drafts = []
        for place, day in enumerate(DAYS):
            count = 0 if (edition + place) % 5 == 1 else chance.randint(1, 30)
            frame = pl.DataFrame(
                {"number": range(count), "amount": [chance.randint(0, 9) for _ in range(count)]}, schema=dict(CONTRACT.dtypes)
            )
            drafts.append(Draft.of(day, frame, CONTRACT))
        history.commit(drafts, CONTRACT)
    return lake


def check(gateway: bq.Gateway, lake: Path, dataset: str, complete: bool) -> None:
    """Readers see whole versions, each once; when complete, the newest of each day, and all that the dataset has."""
    history = DatasetHistory(str(lake), CONTRACT.dataset)
    versions = history.versions()
    try:
        seen = gateway.sql(f"SELECT _dp_partition, _dp_version, number, amount FROM {dataset}.sales")
    except AssertionError:
        assert not complete, "there is no view"
        return
    for day in DAYS:
        found = [row for row in seen if row[0] == day]
        numbers = {int(row[1]) for row in found}
        assert len(numbers) <= 1, (day, numbers)
        wanted = max(v.number for v in versions if v.partition == day) if complete else next(iter(numbers), None)
        if wanted is not None:
            (version,) = [v for v in versions if (v.partition, v.number) == (day, wanted)]
            rows = history.collect([version], CONTRACT.names).rows()
            assert sorted((int(n), int(a)) for _, _, n, a in found) == sorted(rows), (day, wanted)
    if complete:
        port = BigQuery(dataset=dataset)
        with port.open(offered(), history, port.resources(), "check") as session:
            assert session.compare(versions, full=True).differences == ()
        assert gateway.sql(f"SELECT COUNT(*) FROM {dataset}.sales_history") == [[str(sum(v.rows for v in versions))]]
        assert Journal(str(lake), CONTRACT.dataset, "bigquery").refresh().open is None


def death(chance: random.Random, requests: int, seconds: float) -> dict[str, Any]:
    """Where a publisher is killed: at a request, at a load, or after some time."""
    where = chance.random()
    if where < 0.4:
        return {"at": chance.randint(1, requests), "of": "", "when": chance.choice(["before", "after"])}
    if where < 0.8:
        return {"at": chance.randint(1, 6), "of": "/upload/", "when": chance.choice(["before", "after"])}
    return {"after": chance.uniform(0, seconds)}


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_publisher_killed_anywhere_leaves_whole_versions_and_the_next_run_goes_on(
    group: int, gateway: bq.Gateway, worker: Worker, filled: Path, tmp_path: Path
) -> None:
    shutil.copytree(filled, tmp_path / "whole")
    (whole,) = worker.ask({"lake": str(tmp_path / "whole"), "dataset": f"whole{group}", "run": "run"})
    assert whole["exit"] == 0, whole["said"]
    requests = int(whole["said"])
    check(gateway, tmp_path / "whole", f"whole{group}", complete=True)
    killed = 0
    for seed in range(group, SEEDS, GROUPS):
        before, chance = killed, random.Random(seed)
        for attempt in range(6):  # a machine that has become quicker kills nothing: sooner, then
            dataset, lake = f"killed{seed}x{attempt}", tmp_path / f"{seed}-{attempt}"
            shutil.copytree(filled, lake)
            for number in range(1 + seed % 3):  # some of the next runs are killed as well
                command: dict[str, Any] = {"lake": str(lake), "dataset": dataset, "run": f"run-{number}"}
                command |= death(chance, requests, whole["seconds"] / 2**attempt)
                (outcome,) = worker.ask(command)
                print(f"seed {seed}: {command} ended with {outcome['exit']}")
                assert outcome["exit"] in (0, -9), f"seed {seed}: {outcome['said']}"
                killed += outcome["exit"] == -9
                check(gateway, lake, dataset, complete=False)
            (last,) = worker.ask({"lake": str(lake), "dataset": dataset, "run": "last"})
            assert last["exit"] == 0, f"seed {seed}: {last['said']}"
            check(gateway, lake, dataset, complete=True)
            if killed > before:
                break
        assert killed > before, f"seed {seed}: nothing was killed"
    print(f"group {group}: {killed} runs killed")


def test_two_publishers_at_once_deliver_everything_once(gateway: bq.Gateway, worker: Worker, filled: Path, tmp_path: Path) -> None:
    for seed in range(RACES):
        chance = random.Random(seed)
        dataset, lake = f"raced{seed}", tmp_path / str(seed)
        shutil.copytree(filled, lake)
        both: list[dict[str, Any]] = [{"lake": str(lake), "dataset": dataset, "run": name} for name in ("one", "two")]
        if seed % 2:
            both[chance.randint(0, 1)] |= death(chance, 40, 1.0)
        outcomes = worker.ask(*both)
        print(f"seed {seed}: {both} ended with {[o['exit'] for o in outcomes]}")
        for outcome, command in zip(outcomes, both, strict=True):
            assert outcome["exit"] in ((0, -9) if {"at", "after"} & set(command) else (0,)), f"seed {seed}: {outcome['said']}"
        check(gateway, lake, dataset, complete=True)
