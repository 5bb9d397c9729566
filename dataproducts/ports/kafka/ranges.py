"""Which offsets of a topic belong to which partition of a dataset: contiguous ranges, recorded with the rows, one after the other.

Nothing here talks to a broker.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dataproducts.history.ledger import Version

NOTE = "kafka"
"""Where a version's note keeps its range."""

Offsets = dict[int, tuple[int, int]]
"""By partition of the topic, offsets from (inclusive) and to (exclusive)."""


@dataclass(frozen=True)
class Identity:
    """Which topic: its name, and the ids of topic and cluster where the broker tells them."""

    topic: str
    topic_id: str | None = None
    cluster: str | None = None

    def differs(self, other: Identity) -> bool:
        """Whether an offset of the one cannot be an offset of the other. What is not known does not differ."""
        pairs = ((self.topic, other.topic), (self.topic_id, other.topic_id), (self.cluster, other.cluster))
        return any(a is not None and b is not None and a != b for a, b in pairs)

    def __str__(self) -> str:
        ids = [f"id {self.topic_id}" if self.topic_id else "", f"cluster {self.cluster}" if self.cluster else ""]
        known = ", ".join(i for i in ids if i)
        return f"{self.topic} ({known})" if known else self.topic


@dataclass(frozen=True)
class Range:
    """The offsets of one partition of the dataset, whose window of time is UTC.

    `gone` are those of them that the topic had dropped before they were read; `messages` counts what was read.
    """

    partition: str
    start: datetime
    end: datetime
    identity: Identity
    offsets: Offsets
    gone: Offsets = field(default_factory=dict)
    messages: int = 0

    @property
    def ends(self) -> dict[int, int]:
        """Where the next range starts, by partition of the topic."""
        return {number: end for number, (_, end) in self.offsets.items()}

    @property
    def begins(self) -> dict[int, int]:
        """The first offset there was to read, by partition of the topic."""
        return {number: max(start, self.gone.get(number, (0, start))[1]) for number, (start, _) in self.offsets.items()}

    @property
    def lost(self) -> int:
        """How many offsets are gone."""
        return sum(end - start for start, end in self.gone.values())

    def note(self) -> dict[str, Any]:
        """For the note of a version; `of` reads it."""
        return {
            "topic": self.identity.topic,
            "topic_id": self.identity.topic_id,
            "cluster": self.identity.cluster,
            "window": [self.start.isoformat(), self.end.isoformat()],
            "offsets": {str(number): list(pair) for number, pair in sorted(self.offsets.items())},
            "gone": {str(number): list(pair) for number, pair in sorted(self.gone.items())},
            "messages": self.messages,
        }

    @classmethod
    def of(cls, version: Version) -> Range | None:
        """The range that a version's note records; None where it records none, as a replay's does not."""
        note = version.note.get(NOTE)
        if not isinstance(note, dict):
            return None
        start, end = (datetime.fromisoformat(moment) for moment in note["window"])
        return cls(
            version.partition,
            start,
            end,
            Identity(note["topic"], note["topic_id"], note["cluster"]),
            _offsets(note["offsets"]),
            _offsets(note["gone"]),
            note["messages"],
        )


def recorded(versions: Iterable[Version]) -> dict[str, Range]:
    """The range of each partition that has one. The first version's: all later ones are read from it."""
    found: dict[str, Range] = {}
    for version in sorted(versions, key=lambda v: (v.partition, v.number)):
        if version.partition not in found and (known := Range.of(version)) is not None:
            found[version.partition] = known
    return found


def before(start: datetime, ranges: Iterable[Range]) -> Range | None:
    """Of these ranges the last whose window is over by `start`."""
    return max((r for r in ranges if r.end <= start), key=lambda r: r.end, default=None)


def after(end: datetime, ranges: Iterable[Range]) -> Range | None:
    """Of these ranges the first whose window begins at `end` or later."""
    return min((r for r in ranges if r.start >= end), key=lambda r: r.start, default=None)


def fits(mine: Range, follows: str | None, anew: bool, versions: Sequence[Version], beside: Mapping[str, Range]) -> bool:
    """Whether rows of this range may be stored, given what is stored and which ranges would be stored with it.

    `follows` is the partition it was made to follow, if any; `anew` says that it begins where the topic does all the same.
    """
    known = recorded(versions)
    if mine.partition in known:
        return known[mine.partition].offsets == mine.offsets
    others = {**beside, **known}.values()
    previous, following = before(mine.start, others), after(mine.end, others)
    if (previous.partition if previous else None) != follows:
        return False
    if previous is not None and not anew and any(mine.offsets.get(n, (end,))[0] != end for n, end in previous.ends.items()):
        return False
    return following is None or all(end <= following.offsets[n][0] for n, (_, end) in mine.offsets.items() if n in following.offsets)


def spelled(offsets: Mapping[int, tuple[int, int]]) -> str:
    """Offsets for a sentence: "partition 0: 10 to 19 (10), partition 2: 4 (1)"."""
    return ", ".join(
        f"partition {n}: {start}{f' to {end - 1}' if end - start > 1 else ''} ({end - start:,})"
        for n, (start, end) in sorted(offsets.items())
    )


def missing(begins: Mapping[int, int], earliest: Mapping[int, int], ends: Mapping[int, int], among: Collection[int]) -> Offsets:
    """Which offsets from `begins` on the topic no longer has, of ranges that reach to `ends`."""
    return {n: (begins[n], min(earliest[n], ends[n])) for n in among if begins[n] < min(earliest[n], ends[n])}


def _offsets(note: Mapping[str, Sequence[int]]) -> Offsets:
    return {int(number): (pair[0], pair[1]) for number, pair in note.items()}
