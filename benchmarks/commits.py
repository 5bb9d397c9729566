"""A late commit beside an early one: what a long history costs each new day.

Floor: the same commit when the dataset was young.
"""

from __future__ import annotations

from datetime import date, timedelta
from statistics import median
from time import perf_counter

from benchmarks.measurement import Comparison, Size, scratch
from benchmarks.peers import Peers
from benchmarks.sales import contract, sales
from dataproducts.history.store import DatasetHistory, Draft

COMMITS = {"small": (30, range(5, 15), 5), "full": (1_500, range(51, 151), 50)}
ROWS = 200


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """One history, a partition of 200 rows per commit; a median of many commits each, so one history is enough."""
    commits, early, late = COMMITS[size]
    promised = contract()
    seconds = []
    with scratch() as lake:
        history = DatasetHistory(str(lake), promised.dataset)
        for number in range(commits):
            frame = sales(ROWS, first=number * ROWS, seed=number)
            partition = (date(2020, 1, 1) + timedelta(days=number)).isoformat()
            start = perf_counter()
            (committed,) = history.commit([Draft.of(partition, frame, promised)], promised)
            seconds.append(perf_counter() - start)
            assert committed.is_new
    return [
        Comparison(
            name="commits",
            what=f"commit no. {commits:,} of a dataset, {ROWS} rows each (median of the last {late})",
            ours=median(seconds[-late:]),
            floor=median(seconds[early.start - 1 : early.stop - 1]),
            floor_is=f"commits no. {early.start} to {early.stop - 1}",
            target=2.0,
        )
    ]
