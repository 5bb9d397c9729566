"""Datasets as inputs of other datasets: which versions a run takes, and in which kind of frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dataproducts import settings
from dataproducts.contract import Contract
from dataproducts.errors import PartitionUnavailable
from dataproducts.history.ledger import UNPARTITIONED, Version
from dataproducts.history.store import DatasetHistory

if TYPE_CHECKING:
    import dagster as dg


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
        if partitions is not None and self.partitions is not None and partition in self.partitions.get_partition_keys():
            if partition not in current:
                raise PartitionUnavailable(f"{self.dataset} has no partition {partition!r} yet; materialize it first")
            return [current[partition]]
        if not current:
            raise PartitionUnavailable(f"{self.dataset} has not been materialized yet; do that first")
        keys = sorted(current)
        if self.contract.kind == "snapshot" and keys != [UNPARTITIONED]:
            return [current[keys[-1]]]
        return [current[k] for k in keys]

    def load(self, versions: list[Version], annotation: Any) -> Any:
        """Their rows in the kind of frame the parameter is annotated with; a polars lazy frame by default."""
        history = self.history()
        if self.contract.kind == "history":
            from dataproducts.history import lake

            rows = lake.scan(self.dataset)
        else:
            rows = history.scan(versions, self.contract.names)
        text = annotation if isinstance(annotation, str) else f"{getattr(annotation, '__module__', '')}.{getattr(annotation, '__name__', '')}"
        if "LazyFrame" in text or not annotation:
            return rows
        frame = history.collecting(versions, rows)
        if text.startswith("pandas") or text.startswith("pd."):
            import pandas as pd

            return frame.to_arrow().to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
        if text.startswith("pyarrow") or text.startswith("pa."):
            return frame.to_arrow()
        return frame
