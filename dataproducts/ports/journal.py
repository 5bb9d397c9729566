"""The journal of a port: which batches were planned and what became of them. An append-only Delta table beside the dataset's.

A plan is written down before anything is delivered, and only one writer can write the next line. So two runs never plan one version into
two batches, and whoever comes after a crash repeats the very batch that was under way.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl

from dataproducts.errors import HistoryError
from dataproducts.history.ledger import UTC_US, Version
from dataproducts.history.lines import Lines
from dataproducts.history.table import Overtaken
from dataproducts.ports.port import Batch, Delivered, Facts

_SCHEMA: dict[str, pl.DataType] = {
    "line": pl.Int64(),
    "batch": pl.Int64(),
    "state": pl.String(),
    "at": UTC_US,
    "run": pl.String(),
    "content": pl.String(),
}
_APPLICATION = "journal"
_COMPACT_EVERY = 64  # lines, each a file of its own until then

State = Literal["planned", "delivered", "given up"]


@dataclass(frozen=True)
class Line:
    """One line: a batch and what became of it. `at` is UTC. `content`: versions of a plan, facts of a delivery, why it was given up."""

    number: int
    batch: int
    state: State
    at: datetime
    run: str
    content: Any


class Journal:
    """The journal at `<lake>/<product>/<dataset>/_ports/<port>`. Lines are numbered from 1."""

    def __init__(self, root: str, dataset: str, port: str) -> None:
        self.dataset = dataset
        self.port = port
        self._table = Lines(f"{root}/{dataset}/_ports/{port}", _SCHEMA, self._trouble)
        self._lines: list[Line] = []

    @property
    def url(self) -> str:
        """Where it lies."""
        return self._table.url

    def refresh(self) -> Journal:
        """See what other writers have written."""
        rows = self._table.unread()
        if rows is not None:
            # by number, since a file that took the place of others holds their lines again
            lines = {line.number: line for line in (*self._lines, *map(_line, rows.iter_rows()))}
            self._lines = [lines[number] for number in sorted(lines)]
        return self

    @property
    def lines(self) -> Sequence[Line]:
        """As last refreshed, in order."""
        return self._lines

    @property
    def open(self) -> int | None:
        """The number of the batch that was planned and neither delivered nor given up; there is at most one."""
        last = {line.batch: line.state for line in self._lines}
        return next((batch for batch, state in last.items() if state == "planned"), None)

    def planned(self, batch: int) -> list[tuple[str, int]]:
        """The (partition, version number) pairs of a batch, in order."""
        return next([(p, n) for p, n in line.content] for line in self._lines if line.batch == batch and line.state == "planned")

    def batch(self, number: int, versions: Sequence[Version]) -> Batch:
        """A planned batch with the versions it names; the dataset's versions are given."""
        known = {(v.partition, v.number): v for v in versions}
        missing = [pair for pair in self.planned(number) if pair not in known]
        if missing:
            partition, version = missing[0]
            raise HistoryError(
                f"{self.dataset}: the journal at {self.url} names version {version} of partition {partition!r}, which the dataset "
                "does not have; restore the dataset and its journal from the same backup"
            )
        return Batch(number, tuple(known[pair] for pair in self.planned(number)))

    def delivered(self, versions: Sequence[Version]) -> Delivered:
        """The batches known to have arrived, in order."""
        arrived = sorted({line.batch for line in self._lines if line.state == "delivered"})
        batches = tuple(self.batch(number, versions) for number in arrived)
        return Delivered(batches, frozenset((v.partition, v.number) for b in batches for v in b.versions))

    def plan(self, versions: Sequence[Version], run: str) -> int:
        """Write down the next batch; gives its number. Raises Overtaken if another run wrote a line since the last refresh."""
        number = max((line.batch for line in self._lines), default=0) + 1
        self._append(number, "planned", run, [[v.partition, v.number] for v in versions])
        return number

    def deliver(self, batch: int, run: str, facts: Facts) -> None:
        """Write down that a batch has arrived, which other runs may have done: then this adds nothing."""
        while not any(line.batch == batch and line.state == "delivered" for line in self._lines):
            try:
                self._append(batch, "delivered", run, facts)
            except Overtaken:
                self.refresh()

    def give_up(self, batch: int, run: str, reason: str) -> None:
        """Write down that a batch has not arrived and never will. Nothing where another run knew better."""
        while self.open == batch:
            try:
                self._append(batch, "given up", run, reason)
            except Overtaken:
                self.refresh()

    def _append(self, batch: int, state: State, run: str, content: Any) -> None:
        from deltalake import CommitProperties, Transaction
        from deltalake.exceptions import CommitFailedError

        number = len(self._lines) + 1
        if (self._table.table().transaction_version(_APPLICATION) or 0) >= number:
            raise Overtaken
        row = [number, batch, state, datetime.now(UTC), run, json.dumps(content, ensure_ascii=False)]
        try:
            self._table.append([row], CommitProperties(app_transactions=[Transaction(_APPLICATION, number)], max_commit_retries=0))
        except CommitFailedError as error:
            self.refresh()
            mine = [line for line in self._lines if line.number == number]
            if not mine or (mine[0].batch, mine[0].state, mine[0].run) != (batch, state, run):
                raise Overtaken from error
        self.refresh()
        if number % _COMPACT_EVERY == 0:
            self._table.compact()
            self.refresh()

    def _trouble(self, said: str) -> str:
        return f"{self.dataset}: the journal of port {self.port} at {self.url} cannot be used: {said}; nothing more was delivered"


def _line(row: tuple[Any, ...]) -> Line:
    number, batch, state, at, run, content = row
    return Line(number, batch, state, at, run, json.loads(content))
