"""Storing a topic's messages, killed at any moment or done twice at once: each message is stored once, in one partition."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dataproducts.ports.kafka.connection import Kafka
from tests.ports.kafka_in.conftest import at, make_topic, send

WORKER = Path(__file__).with_name("kafka_in_worker.py")
ROOT = Path(__file__).parents[2]
SEEDS = min(100, int(os.environ.get("CRASH_SEEDS", "3")))
GROUPS = 4  # so that the seeds spread over the test processes
HOURS = 5


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
                "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
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

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with closing(Worker()) as worker:
        yield worker


def some(chance: random.Random, first: float, last: float, most: int = 60) -> list[tuple[int, int, bytes]]:
    """Messages in no order of time; a few are broken, a few break the contract."""

    def value() -> bytes:
        return (
            chance.choice([b"broken", json.dumps({"number": -1}).encode()])
            if chance.random() < 0.05
            else json.dumps({"number": 1}).encode()
        )

    return [(chance.randrange(4), at(chance.uniform(first, last)), value()) for _ in range(chance.randrange(most))]


@pytest.mark.parametrize("group", range(min(GROUPS, SEEDS)))
def test_a_killed_run_loses_no_message_and_stores_none_twice(group: int, worker: Worker, kafka: Kafka, tmp_path: Path) -> None:
    seeds = range(group, SEEDS, GROUPS) if real(kafka) or SEEDS < 20 else range(group, 20, GROUPS)
    addresses = kafka.brokers.addresses
    topic = make(kafka, f"shop.whole{group}{random.getrandbits(32):x}", random.Random(group))
    whole = worker.ask("run", addresses, topic, str(tmp_path / "whole"), HOURS, None)
    assert whole["exit"] == 0, whole["said"]
    killed = 0
    for seed in seeds:
        before = killed
        chance = random.Random(seed)
        within = chance.uniform(0.02, whole["seconds"])
        for attempt in range(6):  # a machine that has become quicker than the whole run was kills nothing: sooner, then
            topic = make(kafka, f"shop.kill{seed}x{random.getrandbits(32):x}", chance)
            home = str(tmp_path / f"{seed}-{attempt}")
            for _ in range(1 + seed % 2):  # every other retry is killed as well
                outcome = worker.ask("run", addresses, topic, home, HOURS, within / 2**attempt)
                assert outcome["exit"] in (0, -9), f"seed {seed}: {outcome['said']}"
                killed += outcome["exit"] == -9
                send(kafka, topic, some(chance, -1, HOURS + 1))  # what a retry sees is not what the first try saw
            if killed > before:
                break
        told(worker.ask("check", addresses, topic, home, 0), seed, "after the kill")
        told(worker.ask("run", addresses, topic, home, HOURS, None), seed, "retry")
        told(worker.ask("check", addresses, topic, home, HOURS), seed, "after the retry")
        assert killed > before, f"seed {seed}: nothing was killed"
    print(f"group {group}: {len(seeds)} seeds, {killed} runs killed")


@pytest.mark.parametrize("seed", range(max(2, SEEDS // 10)))
def test_two_runs_at_once_store_each_message_once(seed: int, worker: Worker, kafka: Kafka, tmp_path: Path) -> None:
    chance = random.Random(seed)
    topic = make(kafka, f"shop.race{seed}x{random.getrandbits(32):x}", chance)
    ended = threading.Event()

    def more() -> None:
        while not ended.wait(0.05):
            send(kafka, topic, some(chance, -1, HOURS + 1, 10))

    sender = threading.Thread(target=more)
    sender.start()
    try:
        told(worker.ask("race", kafka.brokers.addresses, topic, str(tmp_path), HOURS), seed, "the race")
    finally:
        ended.set()
        sender.join()
    told(worker.ask("check", kafka.brokers.addresses, topic, str(tmp_path), HOURS), seed, "after the race")


def make(kafka: Kafka, topic: str, chance: random.Random) -> str:
    make_topic(kafka, topic)
    send(kafka, topic, some(chance, 0, HOURS + 1, 200))
    return topic


def told(answer: dict[str, Any], seed: int, when: str) -> None:
    assert answer["exit"] == 0, f"seed {seed}, {when}: {answer['said']}"


def real(kafka: Kafka) -> bool:
    return not str(kafka.metadata().cluster_id).startswith("mock")
