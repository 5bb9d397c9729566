"""The datasets of the code location in the working directory, by name."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from dataproducts import code_location
from dataproducts.errors import ConfigurationError, UnknownDataset

if TYPE_CHECKING:
    from dataproducts.dataset import Dataset
    from dataproducts.port_asset import PortAsset
    from dataproducts.product import DataProduct

_FEW = 5


def refuse_elsewhere() -> None:
    """Raises ConfigurationError in a folder without products, also where others are installed: its home would hold nothing of theirs."""
    is_set = any(os.environ.get(variable) for variable in ("DATAPRODUCTS_HOME", "DATAPRODUCTS_LAKE"))
    if not is_set and not (Path.cwd() / "assets").is_dir():
        raise ConfigurationError(code_location.nowhere())


def declared() -> dict[str, Dataset]:
    """Every declared dataset by "product/dataset", sorted. Raises ConfigurationError where there are no products."""
    from dataproducts.definitions import products

    refuse_elsewhere()
    found = [dataset for product in products().values() for dataset in product.datasets.values()]
    return {d.contract.dataset: d for d in sorted(found, key=lambda d: d.contract.dataset)}


def dataset(name: str) -> Dataset:
    """The declared dataset of that name, or UnknownDataset with the nearest one."""
    there = declared()
    if name not in there:
        raise UnknownDataset(f"there is no dataset {name!r} in this code location; {_hint(name, there)}")
    return there[name]


def port(name: str) -> PortAsset | None:
    """The port that "product/dataset/port" names; None for the name of a dataset. Raises UnknownDataset, and PortError for an idle one."""
    from dataproducts.definitions import products
    from dataproducts.errors import PortError

    of, _, own = name.rpartition("/")
    if "/" not in of:
        return None
    dataset(of)
    product, dataset_name = of.split("/")
    ports = {one.port.name: one for one in products()[product].ports[dataset_name]}
    if own not in ports:
        raise UnknownDataset(f"{of} has no port {own!r}; it has {', '.join(ports) or 'none'}")
    if (idle := ports[own].port.idle()) is not None:
        raise PortError(f"{name}: {idle}")
    return ports[own]


def chosen(name: str | None) -> list[Dataset]:
    """The datasets that a name is about: one, all of a product, or all there are."""
    there = declared()
    if name is None:
        return list(there.values())
    if "/" in name:
        return [dataset(name)]
    of_product = [d for n, d in there.items() if n.split("/")[0] == name]
    if not of_product:
        raise UnknownDataset(_no_product(name, there))
    return of_product


def product(name: str) -> DataProduct:
    """The product of that name, or UnknownDataset with the nearest one."""
    from dataproducts.definitions import products

    there = declared()
    if (found := products().get(name)) is None:
        raise UnknownDataset(_no_product(name, there))
    return found


def _no_product(name: str, there: dict[str, Dataset]) -> str:
    names = sorted({n.split("/")[0] for n in there})
    near = get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names)}"
    return f"there is no product {name!r} in this code location; {hint}"


def _hint(name: str, there: dict[str, Dataset]) -> str:
    own = [n for n in there if n.split("/")[1] == name]
    near = own or get_close_matches(name, there, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    if 0 < len(there) <= _FEW:
        return f"it has {', '.join(there)}"
    return "`dataproducts list` shows what there is"
