"""Which tables, views and functions a dataset has at BigQuery, and what each of them is to look like. No connection."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts.contract import Column, Contract
from dataproducts.history.intervals import CLOSED, FROM, stored_contract
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.ports.bigquery import reading
from dataproducts.ports.bigquery.columns import LEDGER, PARTITION, VERSION, Field, can_cluster, field, fields, stamps

if TYPE_CHECKING:
    from dataproducts.ports.bigquery.declaration import BigQuery
    from dataproducts.ports.port import Offered

MANAGED, DEPRECATED, MAJOR = "managed-by", "deprecated-since", "major"
_MOST_CLUSTERED = 4


@dataclass(frozen=True)
class Names:
    """Where everything of one major version of a dataset's contract is. Major 1 has the plain names; readers' names have no major."""

    project: str
    dataset: str
    table: str
    major: int

    @property
    def rows(self) -> str:
        """The append-only table of every version's rows."""
        return self._full(f"{self.table}_history{self._suffix}")

    @property
    def versions(self) -> str:
        """The append-only table of the versions that have arrived."""
        return self._full(f"{self.table}_versions{self._suffix}")

    @property
    def view(self) -> str:
        """The view of what is current, under the newest major."""
        return self._full(self.table)

    @property
    def pinned(self) -> str:
        """The view of what is current under this major, made when a newer one takes the other over."""
        return self._full(f"{self.table}_v{self.major}")

    @property
    def function(self) -> str:
        """The table function of what was known at a moment, under the newest major."""
        return self._full(f"{self.table}_as_of")

    @property
    def _suffix(self) -> str:
        return "" if self.major == 1 else f"_v{self.major}"

    def _full(self, name: str) -> str:
        return f"{self.project}.{self.dataset}.{name}"


@dataclass(frozen=True)
class Target:
    """Everything of one major version: where it is, and how its table of rows is to look. `dtypes` are those of the stored columns."""

    names: Names
    kind: str
    key: tuple[str, ...]
    dtypes: Mapping[str, pl.DataType]
    columns: tuple[Field, ...]
    partition_by: str
    cluster_by: tuple[str, ...]
    labels: Mapping[str, str]
    description: str
    contract: str

    @property
    def ledger(self) -> tuple[Field, ...]:
        """The columns of its table of versions."""
        day = next(f for f in self.columns if f["name"] == "_dp_day")
        return tuple(day if f["name"] == day["name"] else f for f in LEDGER)

    @property
    def current(self) -> str:
        """SQL of what is current."""
        return reading.current(self.kind, list(self.dtypes), self.key, self.names.rows, self.names.versions)

    @property
    def as_of(self) -> str:
        """SQL of what was known at the moment that is its parameter."""
        return reading.as_of(self.kind, list(self.dtypes), self.key, self.names.rows, self.names.versions)


def target(port: BigQuery, offered: Offered, names: Names, history: DatasetHistory) -> Target:
    """What a major version of the contract needs: as declared, or as the lake has it where the code has moved on to another major."""
    contract = offered.contract
    if contract.version.major == names.major:
        stored = stored_contract(contract) if contract.kind == "history" else contract
        version = str(contract.version)
        # columns that came with a minor version are missing in older rows
        one = {v.contract for v in history.versions() if v.major == names.major} <= {version}

        def is_required(column: Column) -> bool:
            return not column.nullable and (one or column.name in stored.key)

        own = fields(stored.columns, is_required, port.policy_tags)
        dtypes, kind, key = dict(stored.dtypes), str(contract.kind), stored.key
    else:
        table = history.table(names.major)
        dtypes, kind, key = dict(table.dtypes), table.kind, table.key
        required = {CLOSED, *key} if kind == "history" else set(key)
        own = [field(n, t, "REQUIRED" if n in required else "NULLABLE") for n, t in dtypes.items()]
        version = max((v.contract for v in history.versions() if v.major == names.major), key=_numbers)
    return Target(
        names=names,
        kind=kind,
        key=tuple(key),
        dtypes=dtypes,
        columns=(*stamps(day_is(offered.partitions)), *own),
        partition_by=port.partition_by,
        cluster_by=clustered(port, contract) if contract.version.major == names.major else (PARTITION, VERSION),
        labels=labels(port, offered, version),
        description=described(offered),
        contract=version,
    )


def day_of(partitions: Any) -> Callable[[Version], date]:
    """The day of a version's rows: that of its partition where time divides the dataset, else the one it became known (UTC)."""
    dimension = getattr(partitions, "time_window_dimension", None) if getattr(partitions, "has_time_window_dimension", False) else None
    if dimension is not None:
        name, definition = dimension.name, dimension.partitions_def
        return lambda v: _day(partitions.get_partition_key_from_str(v.partition).keys_by_dimension[name], definition)
    if getattr(partitions, "fmt", None) is not None:
        return lambda v: _day(v.partition, partitions)
    return lambda v: v.known_at.date()


def _day(key: str, definition: Any) -> date:
    try:
        return datetime.strptime(key, definition.fmt).date()
    except ValueError:  # of the hour that comes twice, when the clocks are set back, the second has its offset at the end
        day: date = definition.time_window_for_partition_key(key).start.date()
        return day


def day_is(partitions: Any) -> str:
    """What `day_of` gives, in words."""
    timed = getattr(partitions, "fmt", None) is not None or getattr(partitions, "has_time_window_dimension", False)
    return "The day of the partition, the first if it has several." if timed else "The day on which the version became known (UTC)."


def clustered(port: BigQuery, contract: Contract) -> tuple[str, ...]:
    """By partition and version, then by what of the key can be, as readers of one partition or one key want it."""
    if port.cluster_by is not None:
        return tuple(port.cluster_by)
    key = [n for n in contract.key if n != FROM and can_cluster(contract.by_name[n].dtype)]
    return (PARTITION, VERSION, *key)[:_MOST_CLUSTERED]


def labels(port: BigQuery, offered: Offered, version: str) -> dict[str, str]:
    """Labels of everything that belongs to the dataset: the port knows its own by them."""
    product, dataset = offered.dataset.split("/")
    return {
        **{_label(k): _label(v) for k, v in port.labels.items()},
        MANAGED: "dataproducts",
        "product": _label(product),
        "dataset": _label(dataset),
        "contract": _label(version),
        "access": _label(str(offered.access)),
        "personal-data": _label(str(offered.personal)),
    }


def described(offered: Offered) -> str:
    """A table's description: title, description, and where it comes from."""
    parts = [offered.title, offered.description, f"Dataset {offered.dataset}."]
    return "\n\n".join(" ".join(p.split()) for p in parts if p)[:16_000]


def _label(text: str) -> str:
    """BigQuery's labels have small letters, digits, '_' and '-', at most 63."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:63]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
