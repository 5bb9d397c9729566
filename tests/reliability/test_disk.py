"""A full disk and a read-only lake: one sentence, nothing half stored, and it works again afterwards."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from dataproducts.errors import HistoryError
from dataproducts.history.store import DatasetHistory, Draft
from tests.reliability.race_worker import CONTRACTS

CONTRACT = CONTRACTS["1.0.0"]


def draft(partition: str, rows: int) -> Draft:
    values = [int.from_bytes(os.urandom(7), "big") for _ in range(rows)]  # does not compress
    frame = pl.DataFrame({"sensor": [f"s{i:07}" for i in range(rows)], "value": values})
    return Draft.of(partition, frame, CONTRACT)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True, text=True)
    if done.returncode != 0:
        if os.environ.get("CI"):
            pytest.fail(f"CI must be able to mount a small file system: {done.stderr}")
        pytest.skip("mounting a small file system needs root")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_stores_nothing_and_says_so_and_works_again_when_there_is_space(small_disk: Path) -> None:
    history = DatasetHistory(str(small_disk / "lake"), CONTRACT.dataset)
    history.commit([draft("2026-01-01", 10)], CONTRACT)
    files = len(list((small_disk / "lake").rglob("*.parquet")))
    (small_disk / "other").write_bytes(b"x" * 600_000)

    with pytest.raises(HistoryError, match=r"the disk is full \(free some space and run again\)"):
        history.commit([draft("2026-01-02", 100_000)], CONTRACT)

    fresh = DatasetHistory(str(small_disk / "lake"), CONTRACT.dataset)
    assert [v.partition for v in fresh.versions()] == ["2026-01-01"]
    fresh.verify(fresh.versions())
    assert len(list((small_disk / "lake").rglob("*.parquet"))) == files, "what was half written is gone"
    (small_disk / "other").unlink()
    (done,) = fresh.commit([draft("2026-01-02", 1_000)], CONTRACT)
    assert (done.version.number, done.version.rows) == (1, 1_000)


READ_ONLY = """
import os, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
import dataproducts.history.store as store
from tests.reliability.race_worker import CONTRACTS
import polars as pl
history = store.DatasetHistory(sys.argv[1], "weather/readings")
frame = pl.DataFrame({"sensor": ["b"], "value": [2]})
print(history.collect(history.versions(), ["value"]).to_series().to_list())
try:
    history.commit([store.Draft.of("2026-01-02", frame, CONTRACTS["1.0.0"])], CONTRACTS["1.0.0"])
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_read_only_lake_can_be_read_and_refuses_a_write_with_one_sentence(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    history = DatasetHistory(str(lake), CONTRACT.dataset)
    history.commit([draft("2026-01-01", 3)], CONTRACT)
    before = sorted(p for p in lake.rglob("*"))
    prelude, body = READ_ONLY.split("\nimport dataproducts", 1)
    if os.getuid() != 0:  # the owner's own rights are taken away; root has to become somebody else for that
        prelude = "import sys"
    for path in [lake, *before]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    for parent in tmp_path.parents:
        if parent != Path("/tmp") and str(parent).startswith("/tmp"):
            parent.chmod(0o755)
    tmp_path.chmod(0o755)
    root = Path(__file__).parents[2]
    # modules are imported before the process gives up its rights: the checkout may be root's alone
    script = f"import dataproducts.history.store, tests.reliability.race_worker, deltalake, pandera.polars, polars\n{prelude}\nimport dataproducts{body}"
    done = subprocess.run(
        [sys.executable, "-c", script, str(lake)],
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONWARNINGS": "ignore"},
    )
    for path in [lake, *before]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    lines = done.stdout.strip().splitlines()
    assert len(lines) == 2, done.stdout + done.stderr
    assert lines[0].startswith("[")
    assert lines[1].startswith("HistoryError weather/readings: ")
    assert "it is read-only for this user (give write access and run again); nothing was stored" in lines[1]
    assert sorted(lake.rglob("*")) == before


TOO_LARGE = """
import resource, signal, sys
import polars as pl
from dataproducts.history.store import DatasetHistory
from dataproducts.materialization import Limits, Materializer
from tests.reliability.crash_worker import CONTRACT, Silent

def run(partition, rows, amount):
    frame = pl.DataFrame({"number": range(rows), "amount": [amount] * rows, "shop": [str(i * 7919) for i in range(rows)]})
    materializer = Materializer(sys.argv[1], CONTRACT, Limits(refused_share=1.0, row_change=None), run="r", log=Silent())
    return materializer.materialize([partition, "small"], lambda p: frame if p == partition else frame.head(1).with_columns(amount=pl.lit(1, pl.Int64)))

run("before", 10, 1)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limits = resource.getrlimit(resource.RLIMIT_FSIZE)
for amount in (1, -1):  # rows to store, rows to refuse
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    print(run("large", 100_000, amount).outcomes["large"].error)
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    history = DatasetHistory(sys.argv[1], CONTRACT.dataset)
    history.verify(history.versions())
    print([v.partition for v in history.versions()])
run("large", 100_000, 1)
history.refresh().verify(history.versions())
print([(v.partition, v.rows) for v in history.versions()])
"""


def test_a_file_the_system_does_not_let_grow_is_a_full_disk(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", TOO_LARGE, str(tmp_path / "lake")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    sentences, held = done.stdout.splitlines()[:-1:2], done.stdout.splitlines()[1::2]
    assert len(sentences) == 2
    for sentence in sentences:
        assert sentence.startswith("shop/sales")
        assert sentence.endswith("the disk is full (free some space and run again); nothing was stored")
    assert set(held) == {"['before', 'small']"}
    assert done.stdout.splitlines()[-1] == "[('before', 10), ('large', 100000), ('small', 1)]"
