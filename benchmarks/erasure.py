"""Erase a thousand keys from a dataset of many versions: the lake, its registry and its proof, beside rewriting the same files by hand.

Floor of `erasure`: polars reads each of the files, leaves the rows out and writes it. Floor of `erasure in few files`: `erasure` itself,
whose keys stand in ten times as many files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter

import polars as pl

from benchmarks.measurement import Comparison, Size, lake_at, scratch
from benchmarks.peers import Peers
from benchmarks.sales import contract, sales
from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.history.store import DatasetHistory, Draft

VERSIONS = {"small": (10, 1_000, 20), "full": (100, 100_000, 1_000)}
"""Versions, rows of each, keys to erase."""


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """One lake is erased from twice: an erasure cannot be repeated, and making the lake takes longer than all of it."""
    versions, rows, keys = VERSIONS[size]
    few = versions // 10
    with scratch() as folder, lake_at(folder / "lake"), _with_key():
        _write(folder / "lake", versions, rows)
        files = sorted((folder / "lake").glob("benchmark/sales/v1/_entry=row/*.parquet"))
        of_all = [number * rows + at for number in range(versions) for at in range(keys // versions)]
        of_few = [number * rows + rows // 2 + at for number in range(few) for at in range(keys // few)]
        floor = _floor(files, folder / "floor.parquet", of_all)
        in_few = _erase(folder / "lake", of_few, few)
        in_all = _erase(folder / "lake", of_all, versions)
    what = f"erase {keys:,} keys from {versions:,} versions of {rows:,} rows"
    return [
        Comparison(
            name="erasure",
            what=f"{what}, all of which hold some: found, files and ledger rewritten, old files removed",
            ours=in_all,
            floor=floor,
            floor_is="polars reads the same files, leaves the rows out, and writes them",
            target=3.0,
        ),
        Comparison(
            name="erasure in few files",
            what=f"{what}, {few:,} of which hold some",
            ours=in_few,
            floor=in_all,
            floor_is="the same number of keys, in every file",
            target=0.35,
        ),
    ]


def _write(root: Path, versions: int, rows: int) -> None:
    promised = contract()
    history = DatasetHistory(str(root), promised.dataset)
    for number in range(versions):
        frame = sales(rows, first=number * rows, seed=number)
        day = (date(2020, 1, 1) + timedelta(days=number)).isoformat()
        history.commit([Draft.of(day, frame, promised)], promised)


def _floor(files: list[Path], scratch_file: Path, keys: list[int]) -> float:
    (key,) = contract().key
    texts = pl.Series(_texts(keys))
    start = perf_counter()
    for file in files:
        pl.read_parquet(file).filter(~pl.col(key).cast(pl.String).is_in(texts.implode())).write_parquet(
            scratch_file, compression="zstd", compression_level=1
        )
    return perf_counter() - start


def _erase(root: Path, keys: list[int], files: int) -> float:
    start = perf_counter()
    plan = erasing.plan(World(str(root)), "benchmark/sales", [("", text) for text in _texts(keys)])
    report = erasing.erase(plan, reason="benchmark", who="benchmark")
    seconds = perf_counter() - start
    assert report.places[0].removed == len(keys)
    assert report.places[0].versions == files
    return seconds


def _texts(keys: list[int]) -> list[str]:
    return [str(key) for key in keys]


@contextmanager
def _with_key() -> Iterator[None]:
    before = os.environ.get("DATAPRODUCTS_ERASURE_KEY")
    os.environ["DATAPRODUCTS_ERASURE_KEY"] = "5e" * 32
    try:
        yield
    finally:
        del os.environ["DATAPRODUCTS_ERASURE_KEY"]
        if before is not None:
            os.environ["DATAPRODUCTS_ERASURE_KEY"] = before
