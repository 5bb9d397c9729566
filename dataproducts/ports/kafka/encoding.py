"""Rows as messages: canonical JSON of the key and of the row, the same bytes for the same row in every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import polars as pl

from dataproducts.history.ledger import UNPARTITIONED

PARTITION = "_partition"
"""First member of the key where partitions are parts of one table; no column of a contract begins with an underscore."""


class Encoding(Protocol):
    """How rows become the values of messages."""

    @property
    def name(self) -> str:
        """For people and in facts."""

    def prepare(self, topic: str) -> None:
        """Whatever has to be done before the first row of a topic. Raises PortError or PortUnavailable."""

    def encode(self, frame: pl.DataFrame) -> pl.Series:
        """Each row as Binary, the same bytes for the same row."""


class Json:
    """Rows as JSON objects, see `values`."""

    name = "json"

    def __init__(self, dtypes: Mapping[str, pl.DataType]) -> None:
        self._dtypes = dtypes

    def prepare(self, topic: str) -> None:
        """Nothing."""

    def encode(self, frame: pl.DataFrame) -> pl.Series:
        """Each row as UTF-8 JSON."""
        return values(frame, self._dtypes)


def keys(frame: pl.DataFrame, key: Sequence[str], partition: str | None = None) -> pl.Series:
    """The key of each row, UTF-8 JSON as Binary: an object of the key columns in order, after the partition where one is given.

    Rows of two partitions of a table may have the same key columns, and a topic keeps one message for each key.
    """
    named = pl.lit(partition, pl.String).alias(PARTITION)
    first = [] if partition is None or partition == UNPARTITIONED else [named]
    return _objects(frame, [*first, *(_plain(pl.col(n), frame.schema[n]).alias(n) for n in key)])


def values(frame: pl.DataFrame, dtypes: Mapping[str, pl.DataType]) -> pl.Series:
    """Each row as UTF-8 JSON: an object of these columns in order, as Binary.

    Dates are ISO 8601, times ISO 8601 with their offset (+00:00), decimals text with all their digits, bytes base64. What JSON has no
    number for (NaN, infinities) is null; -0.0 is 0.0, as in the content hash.
    """
    return _objects(frame, [_plain(pl.col(n), dtype).alias(n) for n, dtype in dtypes.items()])


def _objects(frame: pl.DataFrame, members: Sequence[pl.Expr]) -> pl.Series:
    if frame.is_empty():
        return pl.Series([], dtype=pl.Binary)
    text = frame.select(_=pl.struct(members).struct.json_encode()).to_series()
    return text.cast(pl.Binary)


def _plain(expr: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The values as something that polars writes to JSON as it should."""
    if isinstance(dtype, pl.Float64):
        return pl.when(expr == 0.0).then(0.0).otherwise(expr)  # polars takes + 0.0 for nothing to do
    if isinstance(dtype, pl.Binary):
        return expr.bin.encode("base64")
    if not _holds(dtype):
        return expr
    if isinstance(dtype, pl.List):
        return expr.list.eval(_plain(pl.element(), dtype.inner))  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        inner = pl.struct([_plain(expr.struct.field(f.name), f.dtype).alias(f.name) for f in dtype.fields])  # type: ignore[arg-type]
        return pl.when(expr.is_not_null()).then(inner)
    return expr


def _holds(dtype: object) -> bool:
    """Whether there is something in it to be written otherwise."""
    if isinstance(dtype, pl.List):
        return _holds(dtype.inner)
    if isinstance(dtype, pl.Struct):
        return any(_holds(f.dtype) for f in dtype.fields)
    return isinstance(dtype, pl.Float64 | pl.Binary)
