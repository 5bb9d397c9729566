"""What an input port hands to an author's function, and what it takes back: rows that are read once, to the end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import DeclarationError
from dataproducts.history.ledger import UNPARTITIONED, Version
from dataproducts.history.store import DatasetHistory
from dataproducts.materialization import UNCHANGED, Log, Result
from dataproducts.source import Intake

Facts = dict[str, Any]
"""What was read, as JSON values: kept with the version and shown in the UI."""


class Rows:
    """The rows of one partition, which can be gone through once.

    As an iterator it gives frames, or lists of records, a bounded number of rows at a time, as a dataset may return them: the simplest
    function is `return rows`. `frame()` gives them all as one frame in memory.
    """

    def __init__(self, where: str, partition: str, read: Callable[[Facts], Iterator[Any]]) -> None:
        self.partition = partition
        self.facts: Facts | None = None
        """What was read, once all rows have been taken."""
        self._where = where
        self._read = read
        self._begun = False

    def __iter__(self) -> Iterator[pl.DataFrame | list[Any]]:
        """Frames or lists of records."""
        if self._begun:
            raise DeclarationError(f"{self._where}: its rows are gone through twice; keep what is needed of them the first time")
        self._begun = True
        facts: Facts = {}
        yield from self._read(facts)
        self.facts = facts

    def frame(self) -> pl.DataFrame:
        """All rows as one frame."""
        parts = [part if isinstance(part, pl.DataFrame) else pl.DataFrame(part, infer_schema_length=None) for part in self]
        return pl.concat(parts, how="vertical_relaxed") if parts else pl.DataFrame()


@dataclass
class RowsIntake(Intake):
    """An input port during one run, whose author's function gets `rows`."""

    contract: Contract = field(kw_only=True)
    partitions: Any = field(kw_only=True)
    history: DatasetHistory = field(kw_only=True)
    log: Log = field(kw_only=True)
    _given: dict[str, Rows] = field(default_factory=dict)

    def give(self, partition: str) -> Rows:
        """The rows of a partition; nothing is read before they are gone through, but for what says that there are none."""
        rows = Rows(self.where(partition), partition, self.reading(partition))
        self._given[partition] = rows
        return rows

    def result(self, partition: str, value: Any) -> Result:
        """What the author returned, with what was read in its metadata once all rows have been taken."""
        given = value if isinstance(value, Result) else Result(value)
        if given.rows is UNCHANGED:
            return given
        rows = self._given.pop(partition)
        metadata = dict(given.metadata)

        def taken() -> Iterator[Any]:
            yield given.rows
            if rows.facts is None:
                raise DeclarationError(
                    f"{rows._where}: its function did not take all rows; go through them to the end, and leave out after"
                )
            metadata.update(rows.facts)

        return Result(taken(), metadata, given.refused, lambda versions, beside: self.holds(partition, versions, beside))

    @abstractmethod
    def reading(self, partition: str) -> Callable[[Facts], Iterator[Any]]:
        """How the rows of a partition are read; what is read fills the facts. Raises PartitionUnavailable where it cannot be."""

    def holds(self, partition: str, versions: Sequence[Version], beside: Collection[str]) -> bool:
        """Whether the rows still are those to store; asked right before they are."""
        return True

    def where(self, partition: str) -> str:
        """What errors begin with."""
        dataset = self.contract.dataset
        return dataset if partition == UNPARTITIONED else f"{dataset}: partition {partition!r}"

    def fault(self, check: str, partition: str, text: str) -> str:
        """Note what a check has to say of a partition; gives the sentence."""
        self.faults.setdefault(check, {})[partition] = text
        return text
