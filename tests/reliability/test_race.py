"""Several writers at once: nothing is lost, nothing is there twice, and numbers are dense."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from dataproducts.history.store import DatasetHistory

WORKER = Path(__file__).with_name("race_worker.py")
ROOT = Path(__file__).parents[2]
NAME = "weather/readings"
ROUNDS = 12 if os.environ.get("CI") else 6


def write_at_once(lake: Path | str, *writers: tuple[int, str, str]) -> list[dict[str, Any]]:
    """Writers as (rounds, partitions, contract version); what each says it committed."""
    start = str(time.time() + (3 if os.environ.get("CI") else 1.5))  # by when all should have been imported
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "POLARS_MAX_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(lake), str(n), str(rounds), partitions, version, start],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for n, (rounds, partitions, version) in enumerate(writers, 1)
    ]
    said = [p.communicate(timeout=120) for p in processes]
    assert all(p.returncode == 0 for p in processes), [error[-2000:] for _, error in said]
    return [json.loads(out) for out, _ in said]


def assert_consistent(lake: Path | str, said: list[dict[str, Any]]) -> None:
    history = DatasetHistory(str(lake), NAME)
    versions = history.versions()
    history.verify(versions)
    by_partition: dict[str, list[Any]] = {}
    for v in versions:
        by_partition.setdefault(v.partition, []).append(v)
    for partition, mine in by_partition.items():
        assert [v.number for v in mine] == list(range(1, len(mine) + 1)), partition
        assert all(a.known_at < b.known_at for a, b in zip(mine, mine[1:], strict=False)), partition
    told = [tuple(c) for answer in said for c in answer["committed"]]
    assert max(Counter((p, n) for p, n, _ in told).values()) == 1
    stored = {(v.partition, v.number): history.collect([v], ["value"]).item() for v in versions}
    assert stored == {(p, n): value for p, n, value in told}


def test_four_writers_of_one_partition_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    said = write_at_once(tmp_path, *[(ROUNDS, "2026-01-01", "1.0.0")] * 4)
    assert_consistent(tmp_path, said)
    assert len(DatasetHistory(str(tmp_path), NAME).versions("2026-01-01")) == 4 * ROUNDS


def test_four_writers_of_shared_and_own_partitions_do_not_disturb_each_other(tmp_path: Path) -> None:
    said = write_at_once(tmp_path, *[(6, f"own-{n},shared", "1.0.0") for n in range(4)])
    assert_consistent(tmp_path, said)
    assert len(DatasetHistory(str(tmp_path), NAME).versions("shared")) == 24
    assert all(len(DatasetHistory(str(tmp_path), NAME).versions(f"own-{n}")) == 6 for n in range(4))


def test_writers_under_two_minor_versions_share_the_table(tmp_path: Path) -> None:
    said = write_at_once(tmp_path, (8, "2026-01-01", "1.0.0"), (8, "2026-01-01", "1.1.0"))
    assert_consistent(tmp_path, said)
    contracts = {v.contract for v in DatasetHistory(str(tmp_path), NAME).versions()}
    assert contracts == {"1.0.0", "1.1.0"}


def test_a_new_major_version_closes_the_table_to_older_writers_with_one_sentence(tmp_path: Path) -> None:
    said = write_at_once(tmp_path, (200, "2026-01-01", "1.0.0"), (5, "2026-01-01", "2.0.0"))
    assert_consistent(tmp_path, said)
    old, new = said
    assert new["refused"] is None
    assert old["refused"] == ("weather/readings: contract 1.0.0 is closed to writers since 2.0.0 was published; deploy the newer code")
