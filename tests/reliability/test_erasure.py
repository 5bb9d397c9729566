"""An erasure killed at any moment leaves every version whole; it is finished by the next that comes, and nobody comes back."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability import test_crash
from tests.reliability.test_crash import GROUPS, Worker

SEEDS = min(50, int(os.environ.get("CRASH_SEEDS", "2")))


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(test_crash, "WORKER", Path(__file__).with_name("erase_worker.py"))
        running = Worker()
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture(scope="module")
def seconds(worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long the whole erasure takes, the shorter of two times: by a slow one the others would be over before they are killed."""

    def whole() -> float:
        home = str(tmp_path_factory.mktemp("whole"))
        assert worker.ask("begin", 0, home, None)["exit"] == 0
        return float(worker.ask("erase", 0, home, 60)["seconds"])

    return min(whole(), whole())


@pytest.mark.parametrize("group", range(min(GROUPS, SEEDS)))
def test_a_killed_erasure_is_resumed_and_ends_complete(group: int, worker: Worker, seconds: float, tmp_path: Path) -> None:
    def ask(command: str, argument: object = None, *, may_die: bool = False) -> bool:
        answer = worker.ask(command, seed, home, argument)
        assert answer["exit"] == 0 or (may_die and answer["exit"] == -9), f"seed {seed}, {command}: {answer['said']}"
        return answer["exit"] == -9

    killed = 0
    for seed in range(group, SEEDS, GROUPS):
        home, chance = str(tmp_path / str(seed)), random.Random(seed)
        ask("begin")
        for time in range(1 + seed % 3):  # some are killed again when they go on, by hash alone or told the keys again
            command = "erase" if time == 0 else chance.choice(["erase", "resume"])
            killed += ask(command, chance.uniform(0, seconds * 0.8), may_die=True)
            ask("check", False)
            if chance.random() < 0.5:  # a run of the same dataset goes on meanwhile, and may be killed too
                ask("materialize", chance.uniform(0, seconds), may_die=True)
                ask("check", False)
        ask(chance.choice(["erase", "resume"]), 60)
        ask("erase", 60)
        ask("materialize", 60)
        ask("check", True)
    assert killed > 0
