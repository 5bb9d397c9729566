"""Whether an example showed what stands in the columns of persons that it can read; what merely looks personal is found in `running`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from dataproducts.errors import UnknownDataset
from dataproducts.examples.running import Outcome
from dataproducts.history import lake

if TYPE_CHECKING:
    from dataproducts.contract import Contract
    from dataproducts.product import DataProduct

_CERTAIN = ("directly_identifying", "special_category", "protected_address")
"""Classes whose values are somebody's; those that are possibly identifying are occupations and places too."""
_SHORTEST, _LONGEST = 6, 200  # characters of a value that is looked for: shorter ones stand there by chance, longer ones are cut in cells


def refused(outcome: Outcome, source: str, products: Mapping[str, DataProduct]) -> Outcome:
    """The outcome; without what was shown where that holds a value of a person in a dataset that the source names."""
    shown = "\n".join(one.content for one in outcome.outputs if one.kind != "image")
    if not shown:
        return outcome
    for contract in _named(source, products):
        for column in contract.columns:
            if column.personal in _CERTAIN and column.dtype == pl.String and _holds(shown, contract.dataset, column.name):
                problem = f"{outcome.name} shows a value of {column.name} of {contract.dataset}, which is {column.personal}"
                return replace(outcome, outputs=(), problem=f"{problem}; choose columns without personal data")
    return outcome


def _named(source: str, products: Mapping[str, DataProduct]) -> Iterator[Contract]:
    """The contracts of the datasets that a source names, as a reader of Python or of SQL does."""
    for product in products.values():
        for dataset in product.datasets.values():
            name = dataset.contract.dataset
            if name in source or name.replace("/", ".") in source:
                yield dataset.contract


def _holds(shown: str, name: str, column: str) -> bool:
    try:
        found = lake.frame(name, columns=[column]).get_column(column).drop_nulls().str.strip_chars().unique()
    except UnknownDataset:  # nothing of it is stored
        return False
    values = found.filter(found.str.len_chars().is_between(_SHORTEST, _LONGEST))
    return bool(values.len()) and bool(pl.Series([shown]).str.contains_any(values.to_list())[0])
