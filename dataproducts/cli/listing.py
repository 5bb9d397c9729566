"""`dataproducts list`: the datasets that are declared, and what the lake holds of each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import click

from dataproducts.cli import tables
from dataproducts.cli.tables import Heading
from dataproducts.errors import ConfigurationError

if TYPE_CHECKING:
    from dataproducts.dataset import Dataset
    from dataproducts.history.store import DatasetHistory


@dataclass(frozen=True)
class Entry:
    """A dataset as declared and as stored. `partitions` are those materialized, `due` those there can be by now.

    `fair` is its FAIR score: points, of how many that can be judged here, and the level; null where it is not declared here.
    """

    dataset: str
    title: str | None
    kind: str
    contract: str
    partitioning: str | None
    partitions: int
    due: int | None
    newest_partition: str | None
    versions: int
    rows: int | None
    known_at: str | None
    declared: bool
    fair: dict[str, object] | None = None


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def list_datasets(as_json: bool) -> None:
    """The datasets declared here, and what the lake holds of each."""
    entries = _entries()
    if as_json:
        click.echo(json.dumps([asdict(e) for e in _scored(entries)], ensure_ascii=False, indent=2))
        return
    if not entries:
        tables.note("no products yet; `dataproducts new PRODUCT` makes a first one")
        return
    headings = [
        Heading("dataset"),
        Heading("title", keep=False),
        Heading("contract", keep=False),
        Heading("partitions", "right"),
        Heading("newest"),
        Heading("versions", "right"),
        Heading("rows", "right"),
    ]
    tables.show(headings, [[e.dataset, e.title, e.contract, _partitions(e), e.newest_partition, e.versions, e.rows] for e in entries])
    strangers = [e.dataset for e in entries if not e.declared]
    if strangers:
        tables.note(f"in the lake but not declared here: {', '.join(strangers)}")


def _entries() -> list[Entry]:
    from dataproducts.cli import location
    from dataproducts.history import lake

    stored = lake.datasets()
    try:
        declared = location.declared()
    except ConfigurationError:
        if not stored:
            raise
        declared = {}  # a consumer has the lake and not the code
    return [_entry(name, declared.get(name)) for name in sorted({*declared, *stored})]


def _scored(entries: list[Entry]) -> list[Entry]:
    from dataproducts import documents
    from dataproducts.cli import location
    from dataproducts.definitions import products

    if not any(e.declared for e in entries):
        return entries
    found = documents.scores(products(), list(location.declared().values()))
    told: dict[str, dict[str, object]] = {n: {"points": s.points, "of": s.judged, "level": s.level} for n, s in found.items()}
    return [replace(e, fair=told.get(e.dataset)) for e in entries]


def _entry(name: str, dataset: Dataset | None) -> Entry:
    from dataproducts import settings
    from dataproducts.history.ledger import UNPARTITIONED
    from dataproducts.history.store import DatasetHistory
    from dataproducts.promise import partitioning

    history = DatasetHistory(settings.lake(), name)
    versions = history.versions()
    current = history.current()
    newest = max(current, default=None)
    last = max(versions, key=lambda v: v.known_at, default=None)
    kind = dataset.contract.kind if dataset else history.table(max(v.major for v in versions)).kind if versions else "table"
    partitions = dataset.declaration.partitions if dataset else None
    return Entry(
        dataset=name,
        title=dataset.declaration.title if dataset else None,
        kind=kind,
        contract=str(dataset.contract.version) if dataset else last.contract if last else "",
        partitioning=partitioning(partitions),
        partitions=len(current),
        due=_due(dataset),
        newest_partition=newest if newest != UNPARTITIONED else None,
        versions=len(versions),
        rows=_rows(history, kind),
        known_at=last.known_at.isoformat() if last else None,
        declared=dataset is not None,
    )


def _rows(history: DatasetHistory, kind: str) -> int | None:
    """The number of rows that reading the dataset without arguments gives; None where there is nothing to read."""
    from dataproducts.history.intervals import CLOSED

    current = history.current()
    if not current:
        return None
    if kind == "snapshot":
        return current[max(current)].rows
    if kind == "history":  # what is stored beside the intervals' rows are the ends of some
        return int((~history.collect(list(current.values()), [CLOSED])[CLOSED]).sum())
    return sum(v.rows for v in current.values())


def _due(dataset: Dataset | None) -> int | None:
    import dagster as dg

    partitions = dataset.declaration.partitions if dataset else None
    if partitions is None or isinstance(partitions, dg.DynamicPartitionsDefinition):
        return None
    return partitions.get_num_partitions()


def _partitions(entry: Entry) -> str | None:
    if entry.partitioning is None and entry.newest_partition is None:
        return None
    return f"{entry.partitions:,} of {entry.due:,}" if entry.due is not None else f"{entry.partitions:,}"
