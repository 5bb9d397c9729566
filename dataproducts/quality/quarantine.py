"""Rows refused by a contract: kept with the reason, append-only, and replayed when the contract or the source has changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import ContractBreach, HistoryError, UnknownDataset
from dataproducts.history.ledger import UNPARTITIONED, UTC_US, Version
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.history.table import Conflict
from dataproducts.quality import personal_data
from dataproducts.quality.anonymity import KAnonymity
from dataproducts.quality.conform import Refused, conform, exact
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
_ATTEMPTS = 50


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

    def keep(
        self, partition: str, refused: Refused, contract: Contract, run: str, wanted: Callable[[], bool] | None = None
    ) -> Version | None:
        """Record the rows that this delivery of a partition refuses. Rows it no longer refuses are marked withdrawn.

        `wanted` tells whether this delivery is still the newest; where it is not, what stood before stands again.
        Gives the version of the quarantine's own partition that says so, if there is anything to say.
        """
        if not len(refused) and not self.history.tables():
            return None
        now = datetime.now(UTC)
        for _ in range(_ATTEMPTS):
            held = self._newest(partition)
            if wanted is not None and not wanted():
                return None
            known = {row["row_id"]: row for row in self._rows(held).iter_rows(named=True)}
            rows: dict[str, dict[str, Any]] = {}
            for row_id, received, rules in _identified(partition, refused):
                row = {
                    "row_id": row_id,
                    "partition": partition,
                    "received": received,
                    "rules": rules,
                    "contract": str(contract.version),
                    "run": run,
                    "refused_at": now,
                    "state": OPEN,
                    "resolved_by": None,
                }
                if (before := known.get(row_id)) is not None:
                    row["refused_at"] = before["refused_at"]
                    if {**row, "run": before["run"]} == before:
                        row = before  # refused as before: the run that found it stays
                rows[row_id] = row
            for row_id, row in known.items():
                if row_id not in rows:
                    rows[row_id] = {**row, "state": WITHDRAWN} if row["state"] == OPEN else row
            if not rows:
                return None
            with suppress(Conflict):  # another run of the partition was first: read again what it left
                kept = self._commit(partition, list(rows.values()), held)
                if wanted is None or wanted():
                    return kept
                # A newer delivery was stored since we looked, and it may have looked before we wrote: its rows stand again.
                stood = self._rows(held).to_dicts() if held else [{**row, "state": WITHDRAWN} for row in rows.values()]
                self._commit(partition, stood, kept)
                return None
        raise HistoryError(f"{self.dataset}: other writers kept writing to its quarantine first; nothing was stored, run again")

    def newest(self) -> dict[str, Version]:
        """By partition, the version of the quarantine that holds the newest state of its rows."""
        return self.history.refresh().current()

    def rows(self, partition: str | None = None, *, only_open: bool = False) -> pl.DataFrame:
        """Refused rows of a partition or of all, newest state of each."""
        current = self.history.refresh().current()
        frame = self._rows(*(v for p, v in sorted(current.items()) if partition in (None, p)))
        return frame.filter(pl.col("state") == OPEN) if only_open else frame

    def replay(
        self, history: DatasetHistory, contract: Contract, partition: str | None = None, anonymity: KAnonymity | None = None
    ) -> list[Replay]:
        """Hold refused rows against the contract as it is now, and commit a new version with those that pass.

        Replaying twice changes nothing more. A partition that was never stored whole is left alone: its rows wait for its
        materialization. Raises UnknownDataset if the partition has no refused rows, HistoryError if its rows are under an older major, and
        ContractBreach where the rows hold personal data that is not declared, or break `anonymity`: nothing of that partition is stored.
        """
        waiting = self.rows(partition, only_open=True)
        if partition is not None and waiting.is_empty():
            raise UnknownDataset(f"{self.dataset}: partition {partition!r} has no rows in quarantine")
        return [self._replay_partition(p, history, contract, anonymity) for p in waiting.get_column("partition").unique().sort()]

    def _replay_partition(self, partition: str, history: DatasetHistory, contract: Contract, anonymity: KAnonymity | None) -> Replay:
        version: int | None = None
        replayed = 0
        for _ in range(_ATTEMPTS):
            held = self._newest(partition)
            every = self._rows(held)
            current = history.refresh().current().get(partition)
            taken = _taken_in(history.versions(partition))
            waiting = every.filter((pl.col("state") == OPEN) & ~pl.col("row_id").is_in(list(taken)))
            if current is None:
                return Replay(partition, 0, waiting.height, None)
            if current.major != contract.version.major:
                raise HistoryError(
                    f"{self.dataset}: partition {partition!r} is under contract {current.contract}; "
                    f"materialize it under {contract.version} before its refused rows are replayed"
                )
            before = _stored(history, current, contract)
            passing, rows = _passing(waiting, before, contract)
            with suppress(Conflict):  # another writer was first: the rows have to be held against what it stored
                if passing:
                    self._refuse_telling(partition, pl.concat([before, rows]), contract, anonymity)
                    note = {"replayed": len(passing), "replayed_rows": passing, "inputs": current.note.get("inputs", {})}
                    draft = Draft.of(partition, pl.concat([before, rows]), contract, note, follows=current.number)
                    version = history.commit([draft], contract, operation="replay")[0].version.number
                    replayed += len(passing)
                    taken |= dict.fromkeys(passing, version)
                resolved = [
                    {**row, "state": RESOLVED, "resolved_by": taken[row["row_id"]]}
                    if row["state"] == OPEN and row["row_id"] in taken
                    else row
                    for row in every.iter_rows(named=True)
                ]
                self._commit(partition, resolved, held)
                return Replay(partition, replayed, waiting.height - len(passing), version)
        raise HistoryError(f"{self.dataset}: other writers kept committing first; run the replay again")

    def _refuse_telling(self, partition: str, rows: pl.DataFrame, contract: Contract, anonymity: KAnonymity | None) -> None:
        where = self.dataset if partition == UNPARTITIONED else f"{self.dataset}: partition {partition!r}"
        looked = personal_data.look([rows], rows.height, contract)
        if looked.found:
            raise ContractBreach(looked.sentence(where))
        if anonymity is not None and (rare := anonymity.breach([rows])) is not None:
            raise ContractBreach(f"{where}: {rare}; nothing was stored: the rows stay in quarantine")

    def _newest(self, partition: str) -> Version | None:
        return self.history.refresh().current().get(partition)

    def _rows(self, *versions: Version | None) -> pl.DataFrame:
        chosen = [v for v in versions if v is not None]
        return self.history.collect(chosen, list(COLUMNS)) if chosen else pl.DataFrame(schema=COLUMNS)

    def _commit(self, partition: str, rows: list[dict[str, Any]], held: Version | None) -> Version:
        draft = Draft.of(partition, pl.DataFrame(rows, schema=COLUMNS), self.contract, follows=held.number if held else 0)
        return self.history.commit([draft], self.contract, operation="quarantine")[0].version


def _stored(history: DatasetHistory, version: Version, contract: Contract) -> pl.DataFrame:
    """The rows of a version, with columns that the contract has gained since."""
    own = history.table(version.major).dtypes
    rows = history.collect([version], [n for n in contract.names if n in own])
    return rows.with_columns(pl.lit(None, t).alias(n) for n, t in contract.dtypes.items() if n not in own).select(contract.names)


def _taken_in(versions: Sequence[Version]) -> dict[str, int]:
    """Refused rows that earlier replays put into the newest version, and the version each came in with.

    A replay that died before it could mark them leaves them open in the quarantine.
    """
    taken: dict[str, int] = {}
    for version in reversed(versions):
        if "replayed_rows" not in version.note:
            break
        taken |= dict.fromkeys(version.note["replayed_rows"], version.number)
    return taken


def _passing(waiting: pl.DataFrame, before: pl.DataFrame, contract: Contract) -> tuple[list[str], pl.DataFrame]:
    """Ids and rows of what keeps the contract now, also beside the rows that are stored."""
    frames, ids = [contract.empty()], []
    for row_id, received in waiting.select("row_id", "received").iter_rows():
        frame = _again(received, contract)
        if frame.height:
            frames.append(frame)
            ids.append(row_id)
    rows = pl.concat(frames)
    keeps = [i not in validate(rows, contract).broken for i in range(rows.height)] if rows.height else []
    rows, ids = rows.filter(pl.Series(keeps, dtype=pl.Boolean)), [i for i, k in zip(ids, keeps, strict=True) if k]
    repeats = check_unique(pl.concat([before, rows]), contract).broken
    keeps = [before.height + i not in repeats for i in range(rows.height)]
    return [i for i, k in zip(ids, keeps, strict=True) if k], rows.filter(pl.Series(keeps, dtype=pl.Boolean))


def _again(received: str, contract: Contract) -> pl.DataFrame:
    """The row in the contract's shape, or no row where it still has another."""
    try:
        record = json.loads(received)
        if contract.takes_source:
            return conform([record], contract).frame
        if not isinstance(record, dict) or record.keys() - contract.by_name.keys():
            return contract.empty()
        typed = {c.name: pl.Series([exact(record.get(c.name), c.dtype)], dtype=c.dtype) for c in contract.columns}
        return conform(pl.DataFrame(typed), contract).frame
    except (ContractBreach, ValueError, TypeError, ArithmeticError):
        return contract.empty()


def _identified(partition: str, refused: Refused) -> Iterator[tuple[str, str, list[str]]]:
    """Refused rows with their identity: their content, and their place among equal ones."""
    met: dict[str, int] = {}
    for received, rules in zip(refused.row, refused.rules, strict=True):
        number = met[received] = met.get(received, -1) + 1
        text = json.dumps([partition, received, number], ensure_ascii=False)
        yield hashlib.sha256(text.encode()).hexdigest()[:32], received, rules
