"""Erasing values where rows stay: which columns of which datasets are emptied, and what stands in their place."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dataproducts.contract import KEPT
from dataproducts.erasure.derived import Derived
from dataproducts.errors import DeclarationError

if TYPE_CHECKING:
    from dataproducts.contract import Column
    from dataproducts.erasure.erasing import World

Empties = tuple[tuple[str, str], ...]
"""The columns that are emptied, each with what stands in place of its values, as JSON."""


def emptying(world: World, name: str, reach: Derived) -> tuple[Derived, Mapping[str, Empties]]:
    """What of an erasure is left where only the values of personal columns go, and these columns by dataset.

    Datasets without personal columns have nothing to lose, and are left out. Raises DeclarationError for a dataset that is not declared
    here, a personal column by which the rows are found or that may not be missing, and a port that cannot empty what it has delivered.
    """
    if name not in world.datasets:
        raise DeclarationError(
            f"{name} is not declared here, so its personal columns are not known; erase where its code is, or whole rows"
        )
    personal = {n for n, d in world.datasets.items() if any(c.is_personal for c in d.contract.columns)}
    kept = {n: sets for n, sets in reach.columns.items() if n in personal and world.datasets[n].declaration.view is None}
    if name not in kept:
        raise DeclarationError(f"{name} has no personal columns; erase the rows, or class the columns")
    empties = {}
    for dataset, sets in kept.items():
        by = {column for columns in sets for column, _ in columns}
        columns = [c for c in world.datasets[dataset].contract.columns if c.is_personal and c.erased is not KEPT]
        for column in columns:
            _refuse(dataset, column, column.name in by)
        _refuse_ports(world, dataset)
        empties[dataset] = tuple((c.name, json.dumps(c.erased, ensure_ascii=False)) for c in columns)
    return replace(reach, columns=kept, untold=tuple(n for n in reach.untold if n in personal)), empties


def _refuse(dataset: str, column: Column, is_key: bool) -> None:
    where = f"{dataset}: column {column.name!r}"
    if is_key:
        raise DeclarationError(f"{where} is personal and tells which rows are meant, so emptying would leave it; erase the rows")
    if column.erased is None and not column.nullable:
        raise DeclarationError(f"{where} is personal and never missing; say what stands in place of an erased value with erased=...")


def _refuse_ports(world: World, dataset: str) -> None:
    product, own = dataset.split("/")
    for asset in world.products[product].ports[own]:
        if not asset.port.empties and asset.journal().refresh().lines:
            raise DeclarationError(f"{dataset}/{asset.port.name} cannot empty columns of what it has delivered; erase the rows")
