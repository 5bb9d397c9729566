"""Datasets as inputs of other datasets: which versions a run takes, and in which kind of frame."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from dataproducts import settings
from dataproducts.contract import Contract
from dataproducts.errors import DataProductsError, DeclarationError, HistoryError, PartitionUnavailable
from dataproducts.history.ledger import UNPARTITIONED, Version
from dataproducts.history.store import DatasetHistory
from dataproducts.history.table import Holding

if TYPE_CHECKING:
    import dagster as dg
    import polars as pl

    from dataproducts.dataset import Dataset

FrameKind = Literal["lazy", "polars", "pandas", "arrow", "chosen"]
"""What an author gets an input as."""

Reach = Literal["own", "until", "previous"]
"""Which partitions of an input cut by time a run takes: those of its own time, all up to its end, or the one before its own."""


Follows = Literal["these", "newest", "all"]
"""Which partitions of an input a view reads when it is read."""


@dataclass(frozen=True)
class Reaching:
    """An input with its reach, as `until` and `previous` give it; without a dataset it is the dataset's own."""

    dataset: Dataset | None
    reach: Reach


def until(dataset: Dataset) -> Reaching:
    """As an input: every partition of `dataset` up to the end of the run's own, for a state that is made of all that went before.

    Both are cut by time: `inputs={"events": dp.until(events)}`.
    """
    return Reaching(dataset, "until")


def previous() -> Reaching:
    """As an input: the dataset's own partition before the run's, for a state that is the last one and what happened since.

    It has no rows in the first partition of all. Partitions are then made one after another, each from the one before.
    """
    return Reaching(None, "previous")


@dataclass(frozen=True)
class Input:
    """An upstream dataset: its contract and partitions, and how far a run reaches among them."""

    contract: Contract
    partitions: dg.PartitionsDefinition[Any] | None
    reach: Reach = "own"

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

    def mapping(self, own: dg.PartitionsDefinition[Any] | None) -> dg.PartitionMapping | None:
        """Dagster's word for what `choose` takes; None where its default says the same."""
        import dagster as dg

        if self.reach == "previous":
            return dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
        if self.reach == "until":
            return _windows(-_ages(own))
        if self.contract.kind != "history" and _cut_otherwise(self.partitions, own):
            return _windows(0)
        return None

    def refuse_faults(self, own: dg.PartitionsDefinition[Any] | None, where: str) -> None:
        """Raise DeclarationError where the reach has no meaning, or time is counted in two zones."""
        import dagster as dg

        ours, theirs = own, self.partitions
        timed = isinstance(ours, dg.TimeWindowPartitionsDefinition) and isinstance(theirs, dg.TimeWindowPartitionsDefinition)
        if self.reach != "own" and (not timed or self.contract.kind == "history"):
            raise DeclarationError(f"{where} takes {self.reach}(...), which needs partitions by time on both sides; leave {self.reach} out")
        if (
            isinstance(ours, dg.TimeWindowPartitionsDefinition)
            and isinstance(theirs, dg.TimeWindowPartitionsDefinition)
            and ours.timezone != theirs.timezone
        ):
            raise DeclarationError(
                f"{where} is cut by time in {theirs.timezone}, and this dataset in {ours.timezone}; give both partitions the same timezone"
            )

    def choose(self, partition: str, partitions: dg.PartitionsDefinition[Any] | None) -> list[Version]:
        """The versions a run of `partition` reads, by the reach.

        The same partition where both are cut alike; where time cuts them otherwise, every one in the partition's time (of snapshots
        the last); else the current content. Of a view they say which versions it reads now. Raises PartitionUnavailable naming the first
        that is missing.
        """
        chosen = self._chosen(partition, partitions)
        if not any(v.is_view for v in chosen):
            return chosen
        from dataproducts.sql.view import live

        return [live(v) for v in chosen]

    def follows(self, partition: str, partitions: dg.PartitionsDefinition[Any] | None) -> Follows:
        """What a view of `partition` reads of it later on: the partitions it read, the newest one, or all there are."""
        alike = _cut_otherwise(self.partitions, partitions) or _alike(self.partitions, partitions, partition)
        if self.contract.kind != "history" and alike:
            return "these"
        return "newest" if self.contract.kind == "snapshot" and self.partitions is not None else "all"

    def _chosen(self, partition: str, partitions: dg.PartitionsDefinition[Any] | None) -> list[Version]:
        current = self.history().current(major=self.contract.version.major)
        if self.reach != "own" or (self.contract.kind != "history" and _cut_otherwise(self.partitions, partitions)):
            return self._in_time(partition, partitions, current)
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

    def _in_time(self, partition: str, own: Any, current: dict[str, Version]) -> list[Version]:
        """By Dagster's own mapping, so that the graph it shows and the rows a run reads cannot part."""
        import dagster as dg

        mapping = self.mapping(own) or dg.TimeWindowPartitionMapping()
        upstream: Any = self.partitions
        # hours and days to come are as much a part of the time as those that are over: a day is not whole without its last hour
        with dg.partition_loading_context(effective_dt=own.time_window_for_partition_key(partition).end + timedelta(days=400)):
            subset = own.subset_with_partition_keys([partition])
            found = mapping.get_upstream_mapped_partitions_result_for_partitions(subset, own, upstream)
            wanted = list(found.partitions_subset.get_partition_keys())
        if not wanted and self.reach == "previous":
            return []
        if not wanted:
            raise PartitionUnavailable(f"{self.dataset} begins after {partition!r} and has no partition for it; leave that one out")
        if self.contract.kind == "snapshot":
            wanted = wanted[-1:]
        if missing := next((key for key in wanted if key not in current), None):
            raise PartitionUnavailable(f"{self.dataset} has no partition {missing!r} yet, which {partition!r} needs; materialize it first")
        return [current[key] for key in wanted]

    def load(self, versions: list[Version], kind: FrameKind = "lazy") -> Any:
        """Their rows as that kind of frame."""
        if kind == "chosen":
            return Chosen(self, tuple(versions))
        history = self.history()
        if self.contract.kind == "history":
            from dataproducts.history import lake

            rows = lake.of_versions(history, versions)
        elif not versions:
            rows = self.contract.empty().lazy()
        else:
            rows = history.scan(versions, self.contract.names)
        if kind == "lazy":
            return rows
        frame = history.collecting(versions, rows)
        if kind == "pandas":
            import pandas as pd

            return frame.to_arrow().to_pandas(types_mapper=pd.ArrowDtype, ignore_metadata=True)
        return frame.to_arrow() if kind == "arrow" else frame


@dataclass(frozen=True)
class Chosen:
    """What a run reads of an input, not read yet: the versions, for who reads their files himself."""

    input: Input
    versions: tuple[Version, ...]

    def holding(self) -> Holding | None:
        """The local files that hold them; None where they are elsewhere, or the rows follow from changes or a query."""
        if not self.versions:
            return Holding()
        if self.input.contract.kind == "history" or any(v.is_view for v in self.versions):
            return None
        table = self.input.history().table(self.versions[0].major)
        if table.remote:
            return None
        found = table.holding(self.versions)
        return Holding(tuple(map(table.absolute, found.whole)), tuple(map(table.absolute, found.part)), found.pairs)

    def frame(self, columns: Sequence[str]) -> pl.DataFrame:
        """Some columns of their rows, in memory."""
        return self.input.history().collecting(list(self.versions), self.input.load(list(self.versions)).select(columns))

    def damage(self) -> DataProductsError | None:
        """What cannot be read of them, if anything."""
        table = self.input.history().table(self.input.contract.version.major)
        if (found := table.damage(path for v in self.versions for path in v.files)) is None:
            return None
        return HistoryError(f"{self.input.dataset}: its history cannot be read: {found}; restore the file from a backup")


def signature_of(inputs: Iterable[str], annotation: Any) -> inspect.Signature:
    """That of a function of a partition and of these inputs, all by name, for what makes rows without being a function."""
    kind = inspect.Parameter.KEYWORD_ONLY
    partition = inspect.Parameter("partition", kind, default=UNPARTITIONED, annotation=str)
    return inspect.Signature([partition, *(inspect.Parameter(name, kind, annotation=annotation) for name in inputs)])


def frame_kind(annotation: Any, where: str) -> FrameKind:
    """The kind of frame a parameter is annotated with; a lazy frame where it says nothing.

    An annotation is a type, or text where the module imports the type for type checkers only. Raises DeclarationError for any other type.
    """
    if annotation is None or annotation in (Any, "Any"):
        return "lazy"
    if annotation is Chosen:
        return "chosen"
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


def steps(inputs: Collection[Input]) -> bool:
    """Whether each partition is made from the one before, so that it has to be stored before the next."""
    return any(i.reach == "previous" for i in inputs)


def _windows(start_offset: int) -> dg.PartitionMapping:
    """The partitions that overlap; those that are not yet, or were never, are missing and no error. Dagster calls that beta."""
    import warnings

    import dagster as dg

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.TimeWindowPartitionMapping(start_offset=start_offset, allow_nonexistent_upstream_partitions=True)


def _ages(own: Any) -> int:
    """So many of a dataset's own partitions that no history is longer; Dagster counts days and hours at once, the others one by one."""
    if own.is_basic_daily:
        return 36_500
    return 876_600 if own.is_basic_hourly else 1_200


def _cut_otherwise(upstream: Any, own: Any) -> bool:
    """Whether time cuts both, and differently: hours here and days there."""
    import dagster as dg

    timed = isinstance(upstream, dg.TimeWindowPartitionsDefinition) and isinstance(own, dg.TimeWindowPartitionsDefinition)
    return timed and (upstream.fmt, upstream.cron_schedule) != (own.fmt, own.cron_schedule)


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
