"""The registry of erasures: an append-only Delta table of the lake. Who asked, when, on what ground, and a keyed hash of who is erased.

Every commit obeys it for ever (`DatasetHistory.commit`), so it must never be lost; nothing in it tells who was erased.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import polars as pl

from dataproducts.erasure.secret import secret
from dataproducts.erasure.subjects import Erased, Subjects, spelled_texts
from dataproducts.errors import ConfigurationError, HistoryError
from dataproducts.history.ledger import UTC_US
from dataproducts.history.lines import Lines

FOLDER = "_erasures"
QUARANTINE = "/quarantine"
LINKS = "/pseudonyms"
_SCHEMA: dict[str, pl.DataType] = {
    "erasure": pl.String(),
    "state": pl.String(),
    "at": UTC_US,
    "who": pl.String(),
    "ground": pl.String(),
    "reason": pl.String(),
    "asked": pl.String(),
    "dataset": pl.String(),
    "columns": pl.String(),
    "hash": pl.String(),
    "key": pl.String(),
}

State = Literal["begun", "done"]


@dataclass(frozen=True)
class Line:
    """One line: that someone, by hash, is erased from a dataset by these columns. A line "done" has no hash and is about the erasure.

    `columns` are (name, path in the source's records) pairs, `asked` the dataset the request named, `key` the name of the hash's key.
    `empties` are the columns that are emptied where the rows stay, with what stands in place of their values, as JSON.
    """

    erasure: str
    state: State
    at: datetime
    who: str
    ground: str
    reason: str
    asked: str
    dataset: str
    columns: tuple[tuple[str, str], ...]
    hash: str
    key: str
    empties: tuple[tuple[str, str], ...] = ()


class Registry:
    """The registry at `<lake>/_erasures`."""

    def __init__(self, root: str) -> None:
        self._table = Lines(f"{root}/{FOLDER}", _SCHEMA, self._trouble)
        self._lines: list[Line] = []

    @property
    def url(self) -> str:
        """Where it lies."""
        return self._table.url

    def refresh(self) -> Registry:
        """See what others have written. Costs a look where there has never been an erasure."""
        rows = self._table.unread()
        if rows is not None:
            self._lines += map(_line, rows.iter_rows())
        return self

    @property
    def lines(self) -> Sequence[Line]:
        """As last refreshed, oldest first."""
        return sorted(self._lines, key=lambda line: line.at)

    def open(self) -> dict[str, list[Line]]:
        """The erasures that were begun and are not done, by id, oldest first, with their lines."""
        done = {line.erasure for line in self._lines if line.state == "done"}
        found: dict[str, list[Line]] = {}
        for line in self.lines:
            if line.erasure not in done:
                found.setdefault(line.erasure, []).append(line)
        return found

    def erased(self, dataset: str, erasure: str | None = None) -> Erased | None:
        """Those erased from a dataset, by every erasure or by one; None where there is nobody.

        Raises ConfigurationError where the key of their hashes is not at hand.
        """
        own = dataset.removesuffix(QUARANTINE).removesuffix(LINKS)
        mine = [line for line in self._lines if line.dataset == own and line.hash and erasure in (None, line.erasure)]
        if not mine:
            return None
        at_hand = secret()
        if other := next((line for line in mine if line.key != at_hand.name), None):
            raise ConfigurationError(
                f"{own}: the erasures in {self.url} were written with the key {other.key}, and the one at hand is {at_hand.name}; "
                "set DATAPRODUCTS_ERASURE_KEY to that key"
            )
        by_columns: dict[tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]], set[str]] = {}
        for line in mine:
            by_columns.setdefault((line.columns, line.empties), set()).add(line.hash)
        subjects = [
            Subjects(tuple(n for n, _ in columns), tuple(s for _, s in columns), frozenset(hashes), at_hand, empties=empties)
            for (columns, empties), hashes in sorted(by_columns.items())
        ]
        gone, emptied = (tuple(s for s in subjects if bool(s.empties) is kind) for kind in (False, True))
        found = Erased(own, gone, len(mine), emptied=emptied)
        if dataset.endswith(LINKS):
            return found.of_links()
        return found.of_quarantine() if dataset.endswith(QUARANTINE) else found

    def follow(self, dataset: str, links: pl.DataFrame) -> None:
        """Write of everybody who is erased under a `former` pseudonym that they are under the `pseudonym` that follows it.

        When the period of both keys is over nobody can tell any more that it is the same person.
        """
        erased = self.erased(dataset)
        theirs = links.filter(erased.of_links().hits(links)).unique() if erased is not None else links.clear()
        if not theirs.height:
            return
        at_hand, now = secret(), datetime.now(UTC)
        known = {(line.dataset, line.columns, line.hash) for line in self._lines}
        found = []
        for former, pseudonym in theirs.select("former", "pseudonym").iter_rows():
            before, after = at_hand.hashed([spelled_texts([former]), spelled_texts([pseudonym])])
            mine = [line for line in self._lines if line.hash == before and (line.dataset, line.columns, after) not in known]
            found += [replace(line, at=now, hash=after) for line in mine]
        if found:
            self.add(found)

    def add(self, lines: Sequence[Line]) -> None:
        """Write lines, all or none."""
        from deltalake import CommitProperties
        from deltalake.exceptions import CommitFailedError

        rows = [[x.erasure, x.state, x.at, x.who, x.ground, x.reason, x.asked, x.dataset, _columns(x), x.hash, x.key] for x in lines]
        try:
            self._table.append(rows, CommitProperties(max_commit_retries=50))
        except CommitFailedError as error:
            raise HistoryError(self._trouble(str(error).strip().splitlines()[0])) from error
        self.refresh()

    def finish(self, line: Line) -> None:
        """Write down that the erasure of a line is done."""
        done = Line(line.erasure, "done", datetime.now(UTC), line.who, line.ground, line.reason, line.asked, line.asked, (), "", line.key)
        self.add([done])

    def _trouble(self, said: str) -> str:
        return f"the registry of erasures at {self.url} cannot be used: {said}; nothing was stored"


def _line(row: tuple[Any, ...]) -> Line:
    erasure, state, at, who, ground, reason, asked, dataset, columns, digest, key = row
    said = json.loads(columns)
    by, empties = (said["by"], said["empties"]) if isinstance(said, dict) else (said, [])
    of, emptied = tuple((n, s) for n, s in by), tuple((n, v) for n, v in empties)
    return Line(erasure, state, at, who, ground, reason, asked, dataset, of, digest, key, emptied)


def _columns(line: Line) -> str:
    return json.dumps({"by": line.columns, "empties": line.empties} if line.empties else line.columns)
