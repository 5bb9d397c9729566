"""The ledger: which versions of which partitions exist. It is rows of the same Delta table as the data, committed with them.

A version may have no rows, so the ledger, not the presence of files, says what exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

UNPARTITIONED = "-"
"""Partition key of a dataset without partitions; Delta reads an empty string as null."""

VIEW, THROUGH = "_view", "_through"
"""In the note of a version that has no rows of its own: the query that gives them (`sql.view`), and the inputs of views that it reads."""

UTC_US = pl.Datetime("us", "UTC")
STAMPS: dict[str, pl.DataType] = {
    "_partition": pl.String(),
    "_version": pl.Int64(),
    "_known_at": UTC_US,
    "_contract": pl.String(),
}
"""Columns that sit beside the product's own in every row."""

LEDGER: dict[str, pl.DataType] = {
    **STAMPS,
    "_rows": pl.Int64(),
    "_hash": pl.String(),
    "_files": pl.List(pl.String()),
    "_note": pl.String(),
}
"""Columns of a ledger entry."""


@dataclass(frozen=True)
class Version:
    """One content of one partition. `known_at` is UTC, `rows` a count, `content_hash` hex SHA-256 of the canonical form."""

    dataset: str
    partition: str
    number: int
    known_at: datetime
    contract: str
    rows: int
    content_hash: str
    note: dict[str, Any] = field(default_factory=dict, compare=False, hash=False)
    files: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def major(self) -> int:
        """Major version of the contract the rows passed, which is also the table that holds them."""
        return int(self.contract.split(".", 1)[0])

    @property
    def is_view(self) -> bool:
        """Whether its rows are those of a query that readers run; `rows` and `content_hash` say what it gave when it was checked."""
        return VIEW in self.note

    @property
    def void_hashes(self) -> tuple[str, ...]:
        """The content hashes it had before each erasure of some of its rows, oldest first: ports may know it by one of them."""
        return tuple(self.note.get("erased", {}).get("void_hashes", ()))

    @property
    def first_hash(self) -> str:
        """The content hash it was committed with."""
        return next(iter(self.void_hashes), self.content_hash)

    @property
    def rows_with_erased(self) -> int:
        """How many rows were delivered for it, those among them that an erasure took since or left out."""
        return self.rows + int(self.note.get("erased", {}).get("count", 0))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the time in ISO 8601 with its offset."""
        return {
            "dataset": self.dataset,
            "partition": self.partition,
            "version": self.number,
            "known_at": self.known_at.isoformat(),
            "contract": self.contract,
            "rows": self.rows,
            "content_hash": self.content_hash,
            **({"note": self.note} if self.note else {}),
        }


def entries(versions: Iterable[Version]) -> pl.DataFrame:
    """Ledger rows of versions."""
    return pl.DataFrame(
        [
            [
                v.partition,
                v.number,
                v.known_at,
                v.contract,
                v.rows,
                v.content_hash,
                list(v.files),
                json.dumps(v.note, ensure_ascii=False, sort_keys=True, default=str),
            ]
            for v in versions
        ],
        schema=LEDGER,
        orient="row",
    )


def parse(dataset: str, frame: pl.DataFrame) -> list[Version]:
    """Versions of ledger rows, ordered by partition and number."""
    return [
        Version(dataset, p, n, k, c, r, h, json.loads(note or "{}"), tuple(files or ()))
        for p, n, k, c, r, h, files, note in frame.select(list(LEDGER)).sort("_partition", "_version").iter_rows()
    ]


def newest(versions: Sequence[Version], as_of: datetime | None = None) -> dict[str, Version]:
    """The newest version of each partition, or the newest known at or before `as_of`."""
    found: dict[str, Version] = {}
    for version in versions:
        if as_of is not None and version.known_at > as_of:
            continue
        held = found.get(version.partition)
        if held is None or held.number < version.number:
            found[version.partition] = version
    return found


def read_through(versions: Sequence[Version]) -> dict[str, Any]:
    """Of the views among these versions, what each partition reads: {dataset: {partition: {input: [[partition, number], ...]}}}."""
    found: dict[str, Any] = {}
    for version in versions:
        if version.is_view:
            found.setdefault(version.dataset, {})[version.partition] = version.note["inputs"]
            for dataset, partitions in version.note.get(THROUGH, {}).items():
                found.setdefault(dataset, {}).update(partitions)
    return found
