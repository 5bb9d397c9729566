"""A .sql file as the function of a dataset: its references resolved to inputs, and callable over frames as any dataset's function."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataproducts.contract import Contract
from dataproducts.errors import DeclarationError
from dataproducts.inputs import Chosen, Input, Reaching, signature_of
from dataproducts.sql.query import Query, Upstream, checked
from dataproducts.sql.text import Reference, SqlText, near

if TYPE_CHECKING:
    import polars as pl

    from dataproducts.dataset import Dataset

Given = Mapping[str, "Dataset | Reaching"] | Sequence["Dataset | Reaching"]


@dataclass(eq=False)
class Statement:
    """The file of dataset `name` of `product`. `inputs` are what it reads, `read_as` the input that each of its references is."""

    text: SqlText
    name: str
    product: str
    inputs: dict[str, Dataset | Reaching] = field(default_factory=dict)
    read_as: dict[str, str] = field(default_factory=dict)
    query: Query | None = None
    dataset: Dataset | None = None
    is_view: bool = False

    @classmethod
    def of(cls, text: SqlText, name: str, product: str, given: Given, own: Mapping[str, Dataset]) -> Statement:
        """Resolve every reference: among the inputs `given`, then among the product's `own` datasets. DeclarationError else."""
        statement = cls(text, name, product)
        named = dict(given) if isinstance(given, Mapping) else _named(given, f"{product}/{name}", own)
        for reference in text.references:
            if reference.name not in statement.read_as:
                key, dataset = statement._found(reference, named, own)
                statement.inputs[key] = dataset
                statement.read_as[reference.name] = key
        if unread := [key for key in named if key not in statement.inputs]:
            raise text.fault(None, f"it never reads its input {unread[0]!r}; refer to it as {{{{ {unread[0]} }}}}, or leave it out")
        return statement

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def __signature__(self) -> inspect.Signature:
        """As a function of the partition and of the inputs, which it takes unread."""
        return signature_of(self.inputs, Chosen)

    def checked(self, contract: Contract, inputs: Mapping[str, Input], partitioned: bool) -> Query:
        """The query, held against the contracts of its inputs and its own. DeclarationError with the place of the first fault."""
        if contract.takes_source:
            name = next(c.name for c in contract.columns if c.source)
            raise DeclarationError(f"{contract.dataset}: column {name!r} has a source, and a query names its columns; leave source= out")
        upstreams = {reference: Upstream(key, inputs[key].contract) for reference, key in self.read_as.items()}
        self.query = checked(self.text, upstreams, contract, partitioned)
        return self.query

    def __call__(self, *, partition: str = "-", **frames: Any) -> pl.DataFrame:
        """The rows that the query gives over these frames, in DuckDB: for tests of it."""
        from dataproducts.sql.duck import over_frames

        assert self.query is not None
        if missing := [key for key in self.inputs if key not in frames]:
            raise DeclarationError(f"{self.product}/{self.name} reads {missing[0]!r}; give a frame of that name")
        return over_frames(self.query, partition, frames)

    def read(self) -> dict[str, Dataset]:
        """The datasets that it reads, by the names of its inputs; its own where it takes its last partition."""
        found = {key: given.dataset if isinstance(given, Reaching) else given for key, given in self.inputs.items()}
        return {key: dataset or self._itself() for key, dataset in found.items()}

    def _itself(self) -> Dataset:
        assert self.dataset is not None
        return self.dataset

    def _found(self, reference: Reference, named: Mapping[str, Any], own: Mapping[str, Dataset]) -> tuple[str, Dataset | Reaching]:
        name = reference.name
        if name in named:
            return name, named[name]
        whole = name if "/" in name else f"{self.product}/{name}"
        for key, dataset in named.items():
            found = dataset.dataset if isinstance(dataset, Reaching) else dataset
            if found is not None and found.contract.dataset == whole:
                return key, dataset
        product, last = whole.split("/")
        if product == self.product and last in own:
            return (last if last not in named else whole.replace("/", "__")), own[last]
        if product != self.product:
            raise self.text.fault(reference.offset, f"{name} is of another product; import that dataset and give it with inputs=[{last}]")
        if (circle := self._circle(last, [self.name])) is not None:
            raise self.text.fault(
                reference.offset,
                f"a cycle: {' reads '.join(circle)}; to go on from its last partition take inputs={{'before': dp.previous()}}",
            )
        if (self.text.path.parent / f"{last}.sql").exists():
            raise self.text.fault(reference.offset, f"{name!r} is not declared yet; declare it before {self.name!r}")
        raise self.text.fault(reference.offset, f"there is no dataset {name!r}; {near(last, sorted({*named, *own}))}")

    def _circle(self, name: str, path: list[str]) -> list[str] | None:
        """The datasets from this one back to itself, as the files beside it refer to each other; None where there is no such way."""
        if name == self.name:
            return [*path, name]
        file = self.text.path.parent / f"{name}.sql"
        if name in path or not file.exists():
            return None
        for reference in SqlText.read(file).references:
            product, _, last = reference.name.rpartition("/")
            if product in ("", self.product) and (found := self._circle(last, [*path, name])) is not None:
                return found
        return None


def _named(given: Sequence[Dataset | Reaching], taker: str, own: Mapping[str, Dataset]) -> dict[str, Dataset | Reaching]:
    """Inputs without names of their own by those of the datasets, with the product's before it where another has the same."""
    names = [_name(d, taker) for d in given]
    product = taker.split("/")[0]
    found = {}
    for name, one in zip(names, given, strict=True):
        dataset = one.dataset if isinstance(one, Reaching) else one
        assert dataset is not None
        whole = dataset.contract.dataset
        shared = names.count(name) > 1 or (name in own and not whole.startswith(f"{product}/"))
        found[whole.replace("/", "__") if shared else name] = one
    return found


def _name(given: Dataset | Reaching, taker: str) -> str:
    dataset = given.dataset if isinstance(given, Reaching) else given
    if dataset is None:
        raise DeclarationError(f'{taker} takes its own previous partition, which needs a name; write inputs={{"before": previous()}}')
    return dataset.declaration.name
