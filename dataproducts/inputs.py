"""Datasets as inputs of other datasets: which versions a run takes, and in which kind of frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from dataproducts import settings
from dataproducts.contract import Contract
from dataproducts.errors import DeclarationError, PartitionUnavailable
from dataproducts.history.ledger import UNPARTITIONED, Version
from dataproducts.history.store import DatasetHistory

if TYPE_CHECKING:
    import dagster as dg

FrameKind = Literal["lazy", "polars", "pandas", "arrow"]
"""What an author gets an input as."""


@dataclass(frozen=True)
class Input:
    """An upstream dataset: its contract and partitions."""

    contract: Contract
    partitions: dg.PartitionsDefinition[Any] | None

    @property
    def dataset(self) -> str:
        """Its name, "product/dataset"."""
        return self.contract.dataset

    @property
    def key(self) -> dg.AssetKey:
        """Its asset key."""
        import dagster as dg

        return dg.AssetKey(self.dataset.split("/"))

    def history(self) -> DatasetHistory:
        """Its history in the lake in use."""
        return DatasetHistory(settings.lake(), self.dataset)

    def choose(self, partition: str, partitions: dg.PartitionsDefinition[Any] | None) -> list[Version]:
        """The versions a run of `partition` reads: the same partition where both are cut alike, else the current content."""
        current = self.history().current(major=self.contract.version.major)
        if self.contract.kind != "history" and _alike(self.partitions, partitions, partition):
            if partition not in current:
                raise PartitionUnavailable(f"{self.dataset} has no partition {partition!r} yet; materialize it first")
            return [current[partition]]
        if not current:
            raise PartitionUnavailable(f"{self.dataset} has not been materialized yet; do that first")
        keys = sorted(current)
        if self.contract.kind == "snapshot" and keys != [UNPARTITIONED]:
            return [current[keys[-1]]]
        return [current[k] for k in keys]

    def load(self, versions: list[Version], kind: FrameKind = "lazy") -> Any:
        """Their rows as that kind of frame."""
        history = self.history()
        if self.contract.kind == "history":
            from dataproducts.history import lake

            rows = lake.scan(self.dataset)
        else:
            rows = history.scan(versions, self.contract.names)
        if kind == "lazy":
            return rows
        frame = history.collecting(versions, rows)
        if kind == "pandas":
            import pandas as pd

            return frame.to_arrow().to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
        return frame.to_arrow() if kind == "arrow" else frame


def frame_kind(annotation: Any, where: str) -> FrameKind:
    """The kind of frame a parameter is annotated with; a lazy frame where it says nothing.

    An annotation is a type, or text where the module imports the type for type checkers only. Raises DeclarationError for any other type.
    """
    if annotation is None or annotation in (Any, "Any"):
        return "lazy"
    text = (
        annotation
        if isinstance(annotation, str)
        else f"{getattr(annotation, '__module__', '')}.{getattr(annotation, '__name__', annotation)}"
    )
    first, last = text.split(".")[0], text.split(".")[-1]
    if last == "LazyFrame":
        return "lazy"
    if last == "DataFrame" and first in ("pl", "polars"):
        return "polars"
    if last == "DataFrame" and first in ("pd", "pandas"):
        return "pandas"
    if last == "Table" and first in ("pa", "pyarrow"):
        return "arrow"
    raise DeclarationError(f"{where} is annotated {text}; an input comes as pl.LazyFrame, pl.DataFrame, pd.DataFrame or pa.Table")


def _alike(upstream: dg.PartitionsDefinition[Any] | None, own: dg.PartitionsDefinition[Any] | None, partition: str) -> bool:
    """Whether a key means the same upstream as here: then no other partition will do, even if this one is not there."""
    import dagster as dg

    if upstream is None or own is None:
        return False
    if isinstance(upstream, dg.TimeWindowPartitionsDefinition) and isinstance(own, dg.TimeWindowPartitionsDefinition):
        return (upstream.fmt, upstream.cron_schedule) == (own.fmt, own.cron_schedule)
    if isinstance(upstream, dg.DynamicPartitionsDefinition) and isinstance(own, dg.DynamicPartitionsDefinition):
        return upstream.name == own.name
    if isinstance(upstream, dg.MultiPartitionsDefinition) and isinstance(own, dg.MultiPartitionsDefinition):
        return set(upstream.partition_dimension_names) == set(own.partition_dimension_names)
    static = isinstance(upstream, dg.StaticPartitionsDefinition) and isinstance(own, dg.StaticPartitionsDefinition)
    return static and upstream.has_partition_key(partition)
