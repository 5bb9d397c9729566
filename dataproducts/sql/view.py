"""Views: SQL datasets that store no rows. Whoever reads one runs its query, over what its inputs hold now, held then, or were checked with.

The query lies beside every version as DuckDB runs it, so that a reader needs the lake and not the code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from dataproducts import settings
from dataproducts.contract import Column, Contract, SemVer, personal_columns
from dataproducts.errors import HistoryError, PartitionUnavailable
from dataproducts.history.content import canonical_order
from dataproducts.history.ledger import STAMPS, THROUGH, VIEW, Version, read_through
from dataproducts.history.store import DatasetHistory
from dataproducts.inputs import Chosen, Follows, Input
from dataproducts.sql.query import Query, Upstream
from dataproducts.sql.text import SqlText


def noted(query: Query, follows: Mapping[str, Follows]) -> dict[str, Any]:
    """What a version of the view says of itself: the query, and of each table it reads which partitions it `follows`, by input."""
    return {
        "file": query.text.path.name,
        "text": query.text.text,
        "sql": query.local,
        "takes_partition": query.takes_partition,
        "reads": [
            {
                "table": table,
                "dataset": up.contract.dataset,
                "contract": str(up.contract.version),
                "kind": up.contract.kind,
                "columns": list(query.columns(table)),
                "personal": list(personal_columns(up.contract.columns)),
                "follows": follows[up.name],
            }
            for table, up in sorted(query.tables.items())
        ],
    }


def live(version: Version, as_of: datetime | None = None) -> Version:
    """The version with what its inputs hold now, or held at a time, in place of what it was checked with.

    Raises PartitionUnavailable where an input had nothing then.
    """
    inputs: dict[str, list[list[Any]]] = {}
    chosen: list[Version] = []
    for read in version.note[VIEW]["reads"]:
        name = read["dataset"]
        held = DatasetHistory(settings.lake(), name).current(as_of, SemVer.parse(read["contract"]).major)
        keys = sorted(held)
        if read["follows"] == "newest":
            keys = keys[-1:]
        elif read["follows"] == "these":
            keys = [partition for partition, _ in version.note["inputs"][name]]
        if missing := next((key for key in keys if key not in held), None) or (None if keys else "-"):
            when = f" at {as_of.isoformat()}" if as_of is not None else ""
            what = f"no partition {missing!r}" if keys else "nothing"
            raise PartitionUnavailable(f"{version.dataset} is a view, and {name}, which it reads, had {what}{when}; read what came later")
        found = [held[key] if not held[key].is_view else live(held[key], as_of) for key in keys]
        inputs[name] = [[v.partition, v.number] for v in found]
        chosen += found
    return replace(version, note={**version.note, "inputs": inputs, THROUGH: read_through(chosen)})


def chosen(version: Version) -> dict[str, Chosen]:
    """The inputs of a version, by the tables of its query: exactly the versions that it names."""
    found = {}
    for read in version.note[VIEW]["reads"]:
        name = read["dataset"]
        there = {(v.partition, v.number): v for v in DatasetHistory(settings.lake(), name).versions()}
        named = [(partition, number) for partition, number in version.note["inputs"][name]]
        if lost := next((pair for pair in named if pair not in there), None):
            raise HistoryError(
                f"{version.dataset} was made of version {lost[1]} of partition {lost[0]!r} of {name}, which is not there; restore it"
            )
        through = version.note.get(THROUGH, {})
        versions = tuple(_pinned(there[pair], through) for pair in named)
        found[read["table"]] = Chosen(Input(_contract(read), None), versions)
    return found


def _pinned(version: Version, through: Mapping[str, Any]) -> Version:
    """A view within a view reads what the outer one read of it."""
    inputs = through.get(version.dataset, {}).get(version.partition)
    return version if inputs is None else replace(version, note={**version.note, "inputs": inputs, THROUGH: through})


def rows_of(version: Version, dtypes: Mapping[str, pl.DataType], key: Sequence[str]) -> pl.LazyFrame:
    """The rows of one version, in the order and with the stamps that stored rows have. Raises QueryFailed as a run does."""
    from dataproducts.sql.duck import opened

    given = chosen(version)
    columns = tuple(Column(name, dtype, nullable=True, description="") for name, dtype in dtypes.items())
    contract = Contract(version.dataset, SemVer.parse(version.contract), columns, tuple(key))
    query = Kept(contract, version.note[VIEW], {table: Upstream(table, one.input.contract) for table, one in given.items()})
    with opened(query) as engine:
        frames = list(engine.rows(version.partition, given))
    rows = canonical_order(pl.concat(frames), tuple(key)) if frames else contract.empty()
    stamps = {"_partition": version.partition, "_version": version.number, "_known_at": version.known_at, "_contract": version.contract}
    return rows.with_columns(pl.lit(value, STAMPS[name]).alias(name) for name, value in stamps.items()).lazy()


@dataclass(frozen=True)
class Kept:
    """A query as a version has it; the engine runs it as it runs one that was declared here."""

    contract: Contract
    note: Mapping[str, Any]
    tables: Mapping[str, Upstream]

    @cached_property
    def text(self) -> SqlText:
        """The author's file, for the places of errors."""
        return SqlText(Path(self.note["file"]), self.note["text"])

    @property
    def local(self) -> str:
        """The query as DuckDB runs it."""
        return str(self.note["sql"])

    @property
    def takes_partition(self) -> bool:
        """Whether it has the parameter `@partition`."""
        return bool(self.note["takes_partition"])

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table that it may look at."""
        return next(tuple(read["columns"]) for read in self.note["reads"] if read["table"] == table)


def _contract(read: Mapping[str, Any]) -> Contract:
    """As much of the contract of an input as reading it takes: from the table itself, which knows its columns."""
    version = SemVer.parse(read["contract"])
    table = DatasetHistory(settings.lake(), read["dataset"]).table(version.major)
    columns = tuple(
        Column(name, dtype, nullable=True, description="", personal="confidential" if name in read["personal"] else None)
        for name, dtype in table.dtypes.items()
    )
    return Contract(read["dataset"], version, columns, table.key, kind=read["kind"])
