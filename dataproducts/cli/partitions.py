"""Which partitions a command is about: keys a person types, held against those the dataset has."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from dataproducts.errors import PartitionUnavailable, UnknownDataset
from dataproducts.promise import partitioning

if TYPE_CHECKING:
    from dataproducts.dataset import Dataset


def one(dataset: Dataset, key: str) -> str:
    """The key, if the dataset has such a partition; else UnknownDataset, which shows what its keys look like."""
    partitions = dataset.declaration.partitions
    if partitions is None:
        raise UnknownDataset(f"{dataset.contract.dataset} has no partitions; leave the partition out")
    if not _has(dataset, key):
        raise UnknownDataset(f"{dataset.contract.dataset} has no partition {key!r}; {_hint(dataset, key)}")
    return key


def newest(dataset: Dataset) -> str:
    """The newest partition there can be now; PartitionUnavailable if none is due yet."""
    partitions = dataset.declaration.partitions
    key = partitions.get_last_partition_key() if partitions is not None else None
    if key is None:
        raise PartitionUnavailable(
            f"{dataset.contract.dataset} has no partitions yet ({partitioning(partitions)}); try again when one is due"
        )
    return str(key)


def between(dataset: Dataset, first: str, last: str) -> list[str]:
    """The keys from `first` to `last`, both included, in the dataset's order."""
    import dagster as dg

    partitions = dataset.declaration.partitions
    first, last = one(dataset, first), one(dataset, last)
    assert partitions is not None
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        raise UnknownDataset(
            f"{dataset.contract.dataset} has partitions of {len(partitions.partitions_defs)} dimensions, which have no order; "
            "name one with --partition"
        )
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        start, end = (partitions.start_time_for_partition_key(key) for key in (first, last))
        keys = [] if start > end else list(partitions.get_partition_keys_in_range(dg.PartitionKeyRange(first, last)))
    else:
        there = list(partitions.get_partition_keys())
        keys = there[there.index(first) : there.index(last) + 1]
    if not keys:
        raise UnknownDataset(f"{dataset.contract.dataset}: --from {first} comes after --to {last}; swap them")
    return [str(key) for key in keys]


def runs(keys: Sequence[str], at_most: int) -> list[list[str]]:
    """Keys cut into the runs that make them, in order."""
    return [list(keys[start : start + at_most]) for start in range(0, len(keys), at_most)]


def _has(dataset: Dataset, key: str) -> bool:
    partitions = dataset.declaration.partitions
    assert partitions is not None
    try:
        return partitions.has_partition_key(key)
    except ValueError:  # a key that is not written as a time
        return False


def _hint(dataset: Dataset, key: str) -> str:
    import dagster as dg

    partitions = dataset.declaration.partitions
    assert partitions is not None
    first, last = partitions.get_first_partition_key(), partitions.get_last_partition_key()
    if first is None or last is None:
        return "it has none yet"
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        return f"its keys run from {first!r} to {last!r} ({partitioning(partitions)})"
    there = [str(k) for k in partitions.get_partition_keys()]
    near = get_close_matches(key, there, 1)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"its keys are {', '.join(map(repr, there))}" if len(there) <= 5 else f"its keys look like {str(first)!r} or {str(last)!r}"
