"""Rounds of ours and the floor by turns, their medians, and a comparison with a target."""

from __future__ import annotations

import gc
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any, Literal

Size = Literal["small", "full"]


@dataclass(frozen=True)
class Comparison:
    """One figure and what it is held against, both medians in seconds.

    `target` is how many times the floor ours may take or, where `target_is_seconds`, how many seconds.
    """

    name: str
    what: str
    ours: float
    floor: float
    floor_is: str
    target: float
    target_is_seconds: bool = False
    rounds: int = 1
    peers: Mapping[str, float] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Ours as a multiple of the floor."""
        return self.ours / self.floor

    @property
    def is_met(self) -> bool:
        """Whether the target is kept."""
        return (self.ours if self.target_is_seconds else self.ratio) <= self.target

    @property
    def fastest(self) -> str:
        """Who wins."""
        entrants = {"ours": self.ours, "floor": self.floor, **self.peers}
        return min(entrants, key=entrants.__getitem__)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in seconds."""
        return {
            "name": self.name,
            "what": self.what,
            "ours": self.ours,
            "floor": self.floor,
            "floor_is": self.floor_is,
            "ratio": self.ratio,
            "target": self.target,
            "target_unit": "s" if self.target_is_seconds else "x",
            "is_met": self.is_met,
            "rounds": self.rounds,
            "peers": dict(self.peers),
            "fastest": self.fastest,
        }


def by_turns(rounds: int, contestants: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Median seconds of each contestant. They take turns, so that whatever else the machine does meets all of them.

    A contestant does its own timing and gives seconds back: what it sets up and clears away does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            gc.collect()
            seconds[name].append(run())
    return {name: median(taken) for name, taken in seconds.items()}


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that goes when the benchmark does."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        yield Path(folder)


@contextmanager
def lake_at(root: Path) -> Iterator[None]:
    """Use the lake at `root`, as a reader of it would."""
    before = os.environ.get("DATAPRODUCTS_LAKE")
    os.environ["DATAPRODUCTS_LAKE"] = str(root)
    try:
        yield
    finally:
        del os.environ["DATAPRODUCTS_LAKE"]
        if before is not None:
            os.environ["DATAPRODUCTS_LAKE"] = before


def processor_seconds(process: int) -> float:
    """Processor time of a process, of those it has started and of those that have ended among them, in seconds."""
    ticks = os.sysconf("SC_CLK_TCK")
    parents: dict[int, int] = {}
    used: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        number = int(stat.parent.name)
        parents[number] = int(fields[1])
        used[number] = sum(map(int, fields[11:15]))  # its own, and of children that have ended
    family = {process}
    while more := {number for number, parent in parents.items() if parent in family} - family:
        family |= more
    return sum(used.get(number, 0) for number in family) / ticks


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    versions = {name: version(name) for name in ("dagster", "polars", "pandera", "deltalake", "duckdb")}
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load": round(os.getloadavg()[0], 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **versions,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")] if cpuinfo.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()
