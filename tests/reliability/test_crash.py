"""A materialization killed at any moment leaves every version whole or absent, and a retry completes it."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WORKER = Path(__file__).with_name("crash_worker.py")
ROOT = Path(__file__).parents[2]
SEEDS = int(os.environ.get("CRASH_SEEDS", "5"))
GROUPS = 4  # so that the seeds spread over the test processes


class Worker:
    """The process that forks."""

    def __init__(self) -> None:
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
            },
        )

    def ask(self, *command: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.process.kill()
    worker.process.wait()


@pytest.mark.parametrize("group", range(min(GROUPS, SEEDS)))
def test_a_killed_run_leaves_no_half_version_and_a_retry_completes_it(group: int, worker: Worker, tmp_path: Path) -> None:
    whole = worker.ask("run", 0, str(tmp_path / "whole"), None)
    assert whole["exit"] == 0, whole["said"]
    killed = 0
    for seed in range(group, SEEDS, GROUPS):
        home = str(tmp_path / str(seed))
        chance = random.Random(seed)
        within = chance.uniform(0, whole["seconds"])
        for attempt in range(6):  # a machine that has become quicker than the whole run was kills nothing: sooner, then
            home = str(tmp_path / f"{seed}-{attempt}")
            for _ in range(1 + seed % 2):  # every other retry is killed as well
                outcome = worker.ask("run", seed, home, within / 2**attempt)
                assert outcome["exit"] in (0, -9), f"seed {seed}: {outcome['said']}"
                killed += outcome["exit"] == -9
            if killed:
                break
        after = worker.ask("check", seed, home, False)
        assert after["exit"] == 0, f"seed {seed}, after the kill: {after['said']}"
        retry = worker.ask("run", seed, home, None)
        assert retry["exit"] == 0, f"seed {seed}, retry: {retry['said']}"
        done = worker.ask("check", seed, home, True)
        assert done["exit"] == 0, f"seed {seed}, after the retry: {done['said']}"
    assert killed > 0


PLACES = (
    "a file is written",
    "a file is flushed",
    "the table is made",
    "rows are written",
    "versions are committed",
    "the log is written",
    "the ledger is compacted",
    "refused rows are kept",
    "a batch is stored",
)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("place", PLACES)
def test_a_run_killed_where_it_matters_most_leaves_no_half_version_and_a_retry_completes_it(
    place: str, when: str, worker: Worker, tmp_path: Path
) -> None:
    thorough = SEEDS >= 1000
    for times in (1, 2, 4, 8, 16) if thorough else (1,) if when == "before" else (3, 1):
        home = str(tmp_path / str(times))
        outcome = worker.ask("run to", 3, home, [place, when, times])
        assert outcome["exit"] in (0, -9), outcome["said"]
        if outcome["exit"] == 0:  # it did not come there so often
            assert times > 1, "the run never came there"
            continue
        for complete in (False, True):
            if complete:
                retry = worker.ask("run", 3, home, None)
                assert retry["exit"] == 0, f"{when} {place} {times}, retry: {retry['said']}"
            after = worker.ask("check", 3, home, complete)
            assert after["exit"] == 0, f"{when} {place} {times}, {'after the retry' if complete else 'after the kill'}: {after['said']}"
        if not thorough:
            break
