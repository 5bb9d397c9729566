"""The documents that follow from the declarations of a code location, each by the name of its format, as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataproducts import settings
from dataproducts.formats.addresses import Addresses
from dataproducts.formats.facts import Newest
from dataproducts.messages import DatasetBody, ProductBody

if TYPE_CHECKING:
    from dataproducts.dataset import Dataset
    from dataproducts.formats.fair import Score
    from dataproducts.product import DataProduct


@dataclass(frozen=True)
class Declared:
    """A dataset as documents speak of it, with its product and its newest version in the lake, if there is one."""

    body: DatasetBody
    product: ProductBody
    newest: Newest | None
    dataset: Dataset


def declared(products: Mapping[str, DataProduct], datasets: Sequence[Dataset]) -> list[Declared]:
    """These datasets."""
    from dataproducts.publication.describe import dataset_body, examples, ports, product_body

    found = []
    for dataset in datasets:
        product = products[dataset.declaration.facts.name]
        shown = examples(product.folder)
        body = dataset_body(dataset, shown, ports(product, dataset))
        found.append(Declared(body, product_body(product, shown), _newest(body.name), dataset))
    return found


def export(form: str, found: Sequence[Declared], products: Mapping[str, DataProduct], *, turtle: bool = False) -> str:
    """The documents about these datasets in one format; several YAML documents are a stream, several JSON ones a list.

    ODPS has a document for each product, whole; DCAT one graph of all, which `turtle` writes as Turtle.
    """
    addresses = Addresses(settings.catalog_pages())
    return _WRITERS["turtle" if form == "dcat" and turtle else form](found, addresses, products)


def scores(products: Mapping[str, DataProduct], datasets: Sequence[Dataset]) -> dict[str, Score]:
    """How findable, accessible, interoperable and reusable each dataset is, by name; a product's score is the mean of its datasets'."""
    from dataproducts.formats.fair import fair

    return {one.body.name: fair(one.product, [(one.body, one.newest)]) for one in declared(products, datasets)}


def _newest(name: str) -> Newest | None:
    from dataproducts.history.store import DatasetHistory

    current = DatasetHistory(settings.lake(), name).current()
    if not current:
        return None
    version = current[max(current)]
    return Newest(version.known_at, version.partition, version.number, version.rows)


def _odcs(found: Sequence[Declared], addresses: Addresses, products: Mapping[str, DataProduct]) -> str:
    from dataproducts import promise

    return _yaml([promise.document(one.dataset) for one in found])


def _odps(found: Sequence[Declared], addresses: Addresses, products: Mapping[str, DataProduct]) -> str:
    from dataproducts.formats.odps import odps

    versions = {d.contract.dataset: str(d.contract.version) for product in products.values() for d in product.datasets.values()}
    whole = [d for name in dict.fromkeys(one.product.facts.name for one in found) for d in products[name].datasets.values()]
    of_products = _by_product(declared(products, whole))
    return _yaml([odps(body, [one.body for one in members], addresses, versions) for body, members in of_products])


def _dcat(found: Sequence[Declared], addresses: Addresses, products: Mapping[str, DataProduct]) -> str:
    return _json([_graph(found, addresses)])


def _turtle(found: Sequence[Declared], addresses: Addresses, products: Mapping[str, DataProduct]) -> str:
    from dataproducts.formats.turtle import turtle

    return turtle(_graph(found, addresses))


def _graph(found: Sequence[Declared], addresses: Addresses) -> dict[str, Any]:
    """Products with their datasets, and each dataset with its columns: in one graph, where what is said twice is said once."""
    from dataproducts.formats import dcat
    from dataproducts.formats.linked import document

    of_products = [dcat.product(body, [(one.body, one.newest) for one in members], addresses) for body, members in _by_product(found)]
    of_datasets = [dcat.dataset(one.body, one.product, addresses, one.newest) for one in found]
    return document(node for one in (*of_products, *of_datasets) for node in one["@graph"])


def _of_datasets(module: str, function: str) -> Callable[[Sequence[Declared], Addresses, Mapping[str, DataProduct]], str]:
    def write(found: Sequence[Declared], addresses: Addresses, products: Mapping[str, DataProduct]) -> str:
        from importlib import import_module

        make = getattr(import_module(f"dataproducts.formats.{module}"), function)
        return _json([make(one.body, one.product, addresses, one.newest) for one in found])

    return write


def _by_product(found: Sequence[Declared]) -> list[tuple[ProductBody, list[Declared]]]:
    members: dict[str, list[Declared]] = {}
    for one in found:
        members.setdefault(one.product.facts.name, []).append(one)
    return [(of_product[0].product, of_product) for of_product in members.values()]


def _yaml(documents: Sequence[Mapping[str, Any]]) -> str:
    from dataproducts.formats.odcs import HEADER, dump

    return "---\n".join(dump(one).removeprefix(HEADER) for one in documents)


def _json(documents: Sequence[Mapping[str, Any]]) -> str:
    value = documents[0] if len(documents) == 1 else list(documents)
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


_WRITERS: dict[str, Callable[[Sequence[Declared], Addresses, Mapping[str, DataProduct]], str]] = {
    "odcs": _odcs,
    "odps": _odps,
    "dcat": _dcat,
    "turtle": _turtle,
    "croissant": _of_datasets("croissant", "croissant"),
    "datapackage": _of_datasets("datapackage", "datapackage"),
    "schema_org": _of_datasets("schema_org", "dataset"),
}
