"""Dagster's event log from a low-water mark on: every entry once, also one that turns up late below a larger id."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from dataproducts.publication import events
from dataproducts.publication.events import Entry

if TYPE_CHECKING:
    from dagster import DagsterInstance

OVERLAP = timedelta(seconds=90)
"""How late an entry may turn up below a larger id: how long a transaction may take, and how far clocks may differ."""
PAGE = 500
_AHEAD = timedelta(hours=1)  # a clock further ahead than this is wrong, and must not hold up the mark for ever


@dataclass
class Mark:
    """How far the log has been read.

    Every entry up to `low`, which happened at `low_at`, is settled; of those above, the ones `seen` are. `top` is the last entry
    settled, with its time and run: while it stands in the log, no id up to it was ever given out again.
    """

    low: int = 0
    low_at: datetime | None = None
    top: tuple[int, datetime, str] | None = None
    seen: set[int] = field(default_factory=set)

    def plain(self) -> dict[str, Any]:
        """As JSON takes it."""
        seen = sorted(self.seen)
        return {
            "low": self.low,
            "low_at": self.low_at.timestamp() if self.low_at else None,
            "top": [self.top[0], self.top[1].timestamp(), self.top[2]] if self.top else None,
            "seen": seen[:1] + [after - before for before, after in pairwise(seen)],
        }

    @staticmethod
    def fields(held: Mapping[str, Any]) -> dict[str, Any]:
        """What `plain` gave, as arguments. Raises KeyError, TypeError or ValueError for anything else."""
        top = held["top"]
        return {
            "low": held["low"],
            "low_at": None if held["low_at"] is None else datetime.fromtimestamp(held["low_at"], UTC),
            "top": (top[0], datetime.fromtimestamp(top[1], UTC), top[2]) if top else None,
            "seen": set(accumulate(held["seen"])),
        }


class Reading:
    """The log of an instance beyond a mark, which follows. `is_settled`: of which ids nothing is left to do; `now`: the time of day."""

    def __init__(
        self,
        instance: DagsterInstance,
        mark: Mark,
        *,
        is_settled: Callable[[int], bool],
        now: datetime,
        overlap: timedelta = OVERLAP,
        page: int = PAGE,
        read: Callable[..., list[Entry]] = events.entries,
    ) -> None:
        self.instance, self.mark, self.is_settled = instance, mark, is_settled
        self.now, self.overlap, self.page, self.read = now, overlap, page, read

    def mend(self) -> bool:
        """SQLite gives ids out again when the newest rows are wiped; then everything since the mark is read anew, and this is True."""
        mark = self.mark
        if mark.top is None:
            return False
        number, at, run = mark.top
        found = events.entries_of(self.instance, [number])
        if found and found[0].run == run and abs(found[0].at - at) < timedelta(milliseconds=1):
            return False
        first = events.since(self.instance, mark.low_at - self.overlap) if mark.low_at else None
        newest = events.last(self.instance)
        beginning = mark.low if mark.low_at else 0
        mark.low = min(beginning, first.id - 1 if first else beginning, newest.id if newest else 0)
        mark.seen.clear()
        mark.top = None
        return True

    def pages(self, is_over: Callable[[], bool]) -> Generator[list[Entry], None, None]:
        """What is not settled, page by page while there is time. When this is closed, the mark moves over what is settled by then."""
        read: list[Entry] = []
        after = self.mark.low
        try:
            while not is_over():
                page = self.read(self.instance, after=after, limit=self.page)
                read += page
                yield [e for e in page if not self.is_settled(e.id)]
                if len(page) < self.page:
                    break
                after = page[-1].id
        finally:
            self._move(read)

    def _move(self, read: Sequence[Entry]) -> None:
        """Over what is settled, and too old to be preceded."""
        mark = self.mark
        for entry in read:
            if not self.is_settled(entry.id):
                break
            if self.now - self.overlap < entry.at < self.now + _AHEAD:
                break
            mark.low, mark.low_at = entry.id, entry.at
        settled = [e for e in read if self.is_settled(e.id)]
        if settled and (mark.top is None or settled[-1].id >= mark.top[0]):
            mark.top = settled[-1].id, settled[-1].at, settled[-1].run
        mark.seen = {number for number in mark.seen if number > mark.low}


def cursor_of(instance: DagsterInstance, location: str, sensor: str) -> str | None:
    """The cursor that Dagster keeps for a location's sensor; None where it has not run."""
    from dagster._core.definitions.run_request import InstigatorType

    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    mine = [s for s in states if s.instigator_name == sensor and s.instigator_data is not None]
    here = [s for s in mine if s.origin.repository_origin.code_location_origin.location_name == location]
    found = here or (mine if len(mine) == 1 else [])
    return getattr(found[0].instigator_data, "cursor", None) if found else None
