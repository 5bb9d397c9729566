"""Rows refused by a contract: kept with the reason, append-only, and replayed when the contract or the source has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import UnknownDataset
from dataproducts.history.ledger import UTC_US
from dataproducts.history.store import Committed, DatasetHistory, Draft
from dataproducts.quality.conform import Refused, conform
from dataproducts.quality.validation import check_unique, validate

COLUMNS: dict[str, pl.DataType] = {
    "row_id": pl.String(),
    "partition": pl.String(),
    "received": pl.String(),
    "rules": pl.List(pl.String()),
    "contract": pl.String(),
    "run": pl.String(),
    "refused_at": UTC_US,
    "state": pl.String(),
    "resolved_by": pl.Int64(),
}
OPEN, RESOLVED, WITHDRAWN = "open", "resolved", "withdrawn"


@dataclass(frozen=True)
class Replay:
    """What a replay did with one partition: rows that now pass, rows that still do not, and the version they made."""

    partition: str
    passed: int
    remaining: int
    version: int | None


class Quarantine:
    """The refused rows of one dataset, an append-only table beside its history."""

    def __init__(self, root: str, dataset: str) -> None:
        from dataproducts.contract import Column, SemVer

        product, name = dataset.split("/")
        self.dataset = dataset
        self.history = DatasetHistory(root, f"{product}/{name}/quarantine")
        columns = tuple(Column(n, t, True, "") for n, t in COLUMNS.items())
        self.contract = Contract(self.history.dataset, SemVer(1, 0, 0), columns, ("row_id",))

    def keep(self, partition: str, refused: Refused, contract: Contract, run: str) -> None:
        """Record the rows that this delivery of a partition refuses. Rows it no longer refuses are marked withdrawn."""
        if not len(refused) and not self.history.tables():
            return
        now = datetime.now(UTC)
        held = self.rows(partition)
        known = {row["row_id"]: row for row in held.iter_rows(named=True)}
        rows: dict[str, dict[str, Any]] = {}
        for received, rules in zip(refused.row, refused.rules, strict=True):
            row_id = _row_id(partition, received, rows)
            rows[row_id] = {
                "row_id": row_id,
                "partition": partition,
                "received": received,
                "rules": rules,
                "contract": str(contract.version),
                "run": run,
                "refused_at": known[row_id]["refused_at"] if row_id in known else now,
                "state": OPEN,
                "resolved_by": None,
            }
        for row_id, row in known.items():
            if row_id not in rows:
                rows[row_id] = {**row, "state": WITHDRAWN} if row["state"] == OPEN else row
        if rows or known:
            self._commit(partition, list(rows.values()))

    def rows(self, partition: str | None = None, *, only_open: bool = False) -> pl.DataFrame:
        """Refused rows of a partition or of all, newest state of each."""
        current = self.history.refresh().current()
        chosen = [v for p, v in sorted(current.items()) if partition in (None, p)]
        if not chosen:
            return pl.DataFrame(schema=COLUMNS)
        frame = self.history.collect(chosen, list(COLUMNS))
        return frame.filter(pl.col("state") == OPEN) if only_open else frame

    def replay(self, history: DatasetHistory, contract: Contract, partition: str | None = None) -> list[Replay]:
        """Hold refused rows against the contract as it is now, and commit a new version with those that pass.

        Replaying twice changes nothing more. Raises UnknownDataset if the partition has no refused rows.
        """
        waiting = self.rows(partition, only_open=True)
        if partition is not None and waiting.is_empty():
            raise UnknownDataset(f"{self.dataset}: partition {partition!r} has no rows in quarantine")
        done = []
        for (key,), rows in waiting.group_by("partition", maintain_order=True):
            done.append(self._replay_partition(str(key), rows, history, contract))
        return done

    def _replay_partition(
        self, partition: str, waiting: pl.DataFrame, history: DatasetHistory, contract: Contract
    ) -> Replay:
        good, broken = [], {}
        for row_id, received in waiting.select("row_id", "received").iter_rows():
            frame, rules = _again(received, contract)
            if rules:
                broken[row_id] = rules
            else:
                good.append((row_id, frame))
        current = history.refresh().current().get(partition)
        before = history.collect([current], contract.names) if current is not None else contract.empty()
        taken = pl.concat([before, *(f for _, f in good)]) if good else before
        doubled = check_unique(taken, contract).broken
        for index, rules in doubled.items():
            if index >= before.height:
                broken[good[index - before.height][0]] = rules
        good = [(i, f) for i, f in good if i not in broken]
        version: int | None = None
        if good:
            note = {"replayed": len(good), "inputs": current.note.get("inputs", {}) if current else {}}
            draft = Draft.of(partition, pl.concat([before, *(f for _, f in good)]), contract, note)
            version = _only(history.commit([draft], contract, operation="replay")).version.number
            passed = {row_id for row_id, _ in good}
            rows = [
                {**row, "state": RESOLVED, "resolved_by": version} if row["row_id"] in passed else row
                for row in self.rows(partition).iter_rows(named=True)
            ]
            self._commit(partition, rows)
        return Replay(partition, len(good), len(broken), version)

    def _commit(self, partition: str, rows: list[dict[str, Any]]) -> None:
        frame = pl.DataFrame(rows, schema=COLUMNS)
        self.history.commit([Draft.of(partition, frame, self.contract)], self.contract, operation="quarantine")


def _again(received: str, contract: Contract) -> tuple[pl.DataFrame, list[str]]:
    record = json.loads(received)
    conformed = conform([record], contract) if contract.takes_source else conform(_typed(record, contract), contract)
    if len(conformed.refused):
        return conformed.frame, conformed.refused.rules[0]
    return conformed.frame, validate(conformed.frame, contract).broken.get(0, [])


def _typed(record: dict[str, Any], contract: Contract) -> pl.DataFrame:
    from dataproducts.quality.conform import _nested

    return pl.DataFrame(
        {c.name: pl.Series([_nested(record.get(c.name), c.dtype)], dtype=c.dtype) for c in contract.columns}
    )


def _row_id(partition: str, received: str, taken: dict[str, Any]) -> str:
    """Identity of a refused row: its content, and its place among equal ones."""
    number = 0
    while True:
        text = json.dumps([partition, received, number], ensure_ascii=False)
        row_id = hashlib.sha256(text.encode()).hexdigest()[:32]
        if row_id not in taken:
            return row_id
        number += 1


def _only(committed: Sequence[Committed]) -> Committed:
    return committed[0]
