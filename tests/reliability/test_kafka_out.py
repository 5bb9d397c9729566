"""A publisher killed at any moment, and two at once: readers of the topic see each version once and whole.

On a real broker only: the sandbox broker neither hides what was not committed nor fences a second publisher.
"""

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

from tests import kafka

WORKER = Path(__file__).with_name("kafka_out_worker.py")
ROOT = Path(__file__).parents[2]
SEEDS = min(100, int(os.environ.get("CRASH_SEEDS", "3")))
GROUPS = 4  # so that the seeds spread over the test processes


class Worker:
    """The process that forks, and the broker."""

    def __init__(self, brokers: str) -> None:
        self.brokers = brokers
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]),
                "POLARS_MAX_THREADS": "2",
                "_RJEM_MALLOC_CONF": "background_thread:false",  # a fork takes no threads along
                "PYTHONWARNINGS": "ignore",
            },
        )

    def ask(self, command: str, seed: int, home: Path, argument: Any = None) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([command, seed, str(home), self.brokers, argument]) + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def must(self, command: str, seed: int, home: Path, argument: Any = None) -> dict[str, Any]:
        answer = self.ask(command, seed, home, argument)
        assert answer["exit"] == 0, f"seed {seed}, {command}: {answer['said']}"
        return answer


@pytest.fixture(scope="module")
def worker(broker_of_session: kafka.Broker) -> Iterator[Worker]:
    if not broker_of_session.running:  # other tests stop it
        broker_of_session.start()
    worker = Worker(broker_of_session.addresses)
    yield worker
    worker.process.kill()
    worker.process.wait()


@pytest.mark.parametrize("group", range(min(GROUPS, SEEDS)))
def test_a_killed_publisher_leaves_nothing_half_and_the_next_loses_and_repeats_nothing(group: int, worker: Worker, tmp_path: Path) -> None:
    for home in (tmp_path / "first", tmp_path / "whole"):  # the broker's first transaction takes longer than any other
        worker.must("store", 0, home, 0)
        seconds = worker.must("publish", 0, home)["seconds"]
    killed = 0
    for seed in range(group, SEEDS, GROUPS):
        before = killed
        within = random.Random(seed).uniform(0.05, 1) * seconds
        for attempt in range(6):  # a machine that has become quicker kills nothing: sooner, then
            home = tmp_path / f"{seed}-{attempt}"
            worker.must("store", seed, home, 0)
            if seed % 2:  # half of them die in the first version of the topic, half in the changes
                worker.must("publish", seed, home)
                worker.must("store", seed, home, 1)
            for _ in range(1 + seed % 3 // 2):  # some die twice
                answer = worker.ask("publish", seed, home, within / 2**attempt)
                assert answer["exit"] in (0, -9), f"seed {seed}: {answer['said']}"
                killed += answer["exit"] == -9
            worker.must("publish", seed, home)
            worker.must("check", seed, home, seed % 2)
            if killed > before:
                break
        assert killed > before, f"seed {seed}: nothing was killed"
    print(f"group {group}: {killed} runs killed")


@pytest.mark.parametrize("seed", range(SEEDS // 20 + 1))
def test_two_publishers_at_once_deliver_each_version_once(seed: int, worker: Worker, tmp_path: Path) -> None:
    for edition in (0, 1):
        worker.must("store", seed, tmp_path / str(seed), edition)
        worker.must("together", seed, tmp_path / str(seed))
        worker.must("check", seed, tmp_path / str(seed), edition)
