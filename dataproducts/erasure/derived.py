"""Which other datasets hold the same people: those made from a dataset, by the lineage of their columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

from dataproducts.contract import REST, Contract
from dataproducts.pseudonym import Pseudonym

if TYPE_CHECKING:
    from dataproducts.dataset import Dataset

Columns = tuple[tuple[str, str], ...]
"""The columns that tell who a row is about: (name, path in the source's records)."""


Step = tuple[Pseudonym | None, ...]
"""Which of the columns hold pseudonyms of what the dataset before had."""


@dataclass(frozen=True)
class Derived:
    """What an erasure reaches: the columns to erase by, for each dataset; and datasets made from those in which nobody can be told.

    `made` says, of a dataset's columns, by which steps their values are made of the ones asked for; of the others they are the same.
    """

    columns: Mapping[str, tuple[Columns, ...]]
    untold: tuple[str, ...]
    made: Mapping[tuple[str, Columns], tuple[tuple[Step, ...], ...]] = field(default_factory=dict)


def derived(datasets: Mapping[str, Dataset], asked: str, columns: Iterable[str]) -> Derived:
    """Follow the graph downstream from the columns of a dataset.

    A column downstream holds the same where the column lineage says so; where that tells nothing, the one of the same name and type, else
    those of the same concept and type; a column of pseudonyms holds those of it, whatever the type was.
    Datasets where none does are named: what they count is right again when they are made again.
    """
    if asked not in datasets:
        return Derived({asked: (tuple((c, c) for c in columns),)}, ())
    found: dict[str, set[tuple[tuple[str, ...], tuple[Step, ...]]]] = {asked: {(tuple(columns), ())}}
    untold: set[str] = set()
    line = [asked]
    while line:
        upstream = line.pop()
        for name, dataset in datasets.items():
            if name == upstream or upstream not in {i.dataset for i in dataset.declaration.inputs.values()}:
                continue
            before = datasets[upstream].contract
            own = {(to, _steps(dataset, to, steps)) for one, steps in found[upstream] for to in _mapped(before, dataset, one)}
            if own - found.get(name, set()):
                found[name] = found.get(name, set()) | own
                line.append(name)
            elif not own:
                untold.add(name)
    told: dict[str, tuple[Columns, ...]] = {}
    made: dict[tuple[str, Columns], tuple[tuple[Step, ...], ...]] = {}
    for name, sets in found.items():
        told[name] = tuple(_with_sources(datasets[name].contract, one) for one in sorted({one for one, _ in sets}))
        for one in told[name]:
            made[name, one] = tuple(steps for of, steps in sets if of == tuple(column for column, _ in one))
    views = {n for n, d in datasets.items() if d.declaration.view is not None}  # which show at once what is right
    further = {n for n, d in datasets.items() if n not in found and {i.dataset for i in d.declaration.inputs.values()} & untold}
    return Derived(told, tuple(sorted((untold | further) - found.keys() - views)), made)


def _steps(dataset: Dataset, columns: tuple[str, ...], before: tuple[Step, ...]) -> tuple[Step, ...]:
    step = tuple(dataset.contract.by_name[column].pseudonym for column in columns)
    return (*before, step) if any(step) else before


def _mapped(upstream: Contract, dataset: Dataset, columns: tuple[str, ...]) -> Iterable[tuple[str, ...]]:
    """The columns of a dataset that hold what these of its upstream hold; none where one of them is not found."""
    return product(*(_same(upstream, dataset, column) for column in columns))


def _same(upstream: Contract, dataset: Dataset, column: str) -> list[str]:
    """The columns the lineage leads to; where it tells nothing, the one of the same name, else those of the same concept."""
    before, lineage = upstream.by_name[column], _lineage(dataset)
    alike = [c for c in dataset.contract.columns if c.dtype == before.dtype or c.pseudonym is not None]
    told = [
        c.name
        for c in alike
        if any("/".join(dep.asset_key.path) == upstream.dataset and dep.column_name == column for dep in lineage.get(c.name, ()))
    ]
    named = [c.name for c in alike if ((c.source or c.name) if c.pseudonym is not None else c.name) == column]
    return told or named or [c.name for c in alike if c.concept is not None and c.concept == before.concept]


def _lineage(dataset: Dataset) -> Mapping[str, Any]:
    told = dataset.specs_by_key[dataset.declaration.key].metadata.get("dagster/column_lineage")
    lineage = getattr(told, "value", told)
    return dict(lineage.deps_by_column) if lineage is not None else {}


def _with_sources(contract: Contract, columns: tuple[str, ...]) -> Columns:
    sources = {c.name: c.source if c.source and c.source != REST else c.name for c in contract.columns}
    return tuple((name, sources[name]) for name in columns)
