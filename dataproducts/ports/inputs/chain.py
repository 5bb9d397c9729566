"""Partitions that are read one after the other, each from where the one before it ended; where that is stands in the versions' notes.

Nothing here reads a source.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dataproducts.contract import Contract
from dataproducts.errors import DeclarationError, PartitionUnavailable
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory


@dataclass(frozen=True)
class Link:
    """What one partition was read from: after `begins` (None: from the beginning) up to and with `ends`. Positions are JSON values."""

    partition: str
    start: datetime
    end: datetime
    begins: Any
    ends: Any
    rows: int

    def note(self) -> dict[str, Any]:
        """For the note of a version; `of` reads it."""
        window = [self.start.isoformat(), self.end.isoformat()]
        return {"window": window, "from": self.begins, "to": self.ends, "rows": self.rows}

    @classmethod
    def of(cls, version: Version, key: str) -> Link | None:
        """The link that a version's note records under `key`; None where it records none, as a replay's does not."""
        note = version.note.get(key)
        if not isinstance(note, dict) or "window" not in note:
            return None
        start, end = (datetime.fromisoformat(moment) for moment in note["window"])
        return cls(version.partition, start, end, note["from"], note["to"], note["rows"])


def refuse_uncut(contract: Contract, partitions: Any, what: str) -> None:
    """Raise DeclarationError for a dataset that cannot be read in ranges."""
    import dagster as dg

    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        raise DeclarationError(
            f"{contract.dataset}: {what} needs partitions by time, each a range; give it daily partitions, or leave it out"
        )
    if contract.kind != "table":
        raise DeclarationError(f"{contract.dataset}: {what} gives parts of one table; leave kind={contract.kind!r} out")


@dataclass
class Chain:
    """The links of a dataset during one run: those recorded, and those read in this run that are not stored yet."""

    contract: Contract
    partitions: Any
    history: DatasetHistory
    key: str
    _pending: dict[str, Link] = field(default_factory=dict)

    def window(self, partition: str) -> tuple[datetime, datetime]:
        """The partition's time in UTC. Raises PartitionUnavailable where it is not over."""
        window = self.partitions.time_window_for_partition_key(partition)
        start, end = window.start.astimezone(UTC), window.end.astimezone(UTC)
        if end > datetime.now(UTC):
            where = f"{self.contract.dataset}: partition {partition!r}"
            raise PartitionUnavailable(f"{where} is not over before {end:%Y-%m-%d %H:%M} UTC; materialize it then")
        return start, end

    def recorded(self) -> dict[str, Link]:
        """The newest link of each partition that has one."""
        return _recorded(self.history.refresh().versions(), self.key)

    def before(self, partition: str, known: Mapping[str, Link]) -> Link | None:
        """The link to go on from; None where the partition is the first of all.

        Raises PartitionUnavailable where the one before is missing, or later ones hold what this one would.
        """
        self._pending.pop(partition, None)
        start, end = self.window(partition)
        where = f"{self.contract.dataset}: partition {partition!r}"
        others = {**self._pending, **{p: link for p, link in known.items() if p != partition}}
        previous = _last(start, others.values())
        expected = self._key_before(partition)
        if expected is not None and (previous is None or previous.end < start):
            first = next((key for key in self.partitions.get_partition_keys() if key not in others), expected)
            raise PartitionUnavailable(
                f"{where} begins where {expected!r} ended, and that has not been materialized; materialize {first!r} first"
            )
        if previous is None and (following := _first(end, others.values())) is not None and partition not in known:
            raise PartitionUnavailable(
                f"{where} lies before {following.partition!r}, which was read from the beginning of the source; leave it out"
            )
        return previous

    def read(self, link: Link) -> None:
        """What a partition of this run was read from."""
        self._pending[link.partition] = link

    def holds(self, partition: str, versions: Sequence[Version], beside: Collection[str]) -> bool:
        """Whether what was read of a partition still follows on what is stored, and on what would be stored with it."""
        pending = {p: link for p, link in self._pending.items() if p in beside}
        mine = self._pending[partition]
        others = {**pending, **_recorded(versions, self.key)}
        others.pop(partition, None)
        previous, following = _last(mine.start, others.values()), _first(mine.end, others.values())
        fits = (previous.ends if previous else None) == mine.begins and (following is None or following.begins == mine.ends)
        if not fits:
            self._pending = pending  # what is neither stored nor about to be is not there to be followed
        return fits

    def followed(self, partition: str, known: Mapping[str, Link]) -> Link | None:
        """The link that goes on from this partition, if any."""
        return _first(self.window(partition)[1], [*known.values()])

    def _key_before(self, partition: str) -> str | None:
        window = self.partitions.time_window_for_partition_key(partition)
        before = self.partitions.get_prev_partition_window(window.start)
        first = self.partitions.get_first_partition_window()
        if before is None or first is None or before.start < first.start:
            return None
        return str(self.partitions.get_partition_key_for_timestamp(before.start.timestamp()))


def _recorded(versions: Iterable[Version], key: str) -> dict[str, Link]:
    found: dict[str, Link] = {}
    for version in sorted(versions, key=lambda v: (v.partition, v.number)):
        if (link := Link.of(version, key)) is not None:
            found[version.partition] = link
    return found


def _last(start: datetime, links: Iterable[Link]) -> Link | None:
    return max((link for link in links if link.end <= start), key=lambda link: link.end, default=None)


def _first(end: datetime, links: Iterable[Link]) -> Link | None:
    return min((link for link in links if link.start >= end), key=lambda link: link.start, default=None)
