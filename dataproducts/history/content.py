"""The content hash: SHA-256 over a canonical form of sorted rows, the same for every library version and every chunking.

Not over Parquet bytes and not polars' row hash: both change when the library does.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pyarrow as pa

_FORM = b"dataproducts content 1\n"
_ROWS_WORTH_THREADS = 50_000


def content_hash(chunks: Iterable[pl.DataFrame], dtypes: dict[str, pl.DataType]) -> str:
    """Hex SHA-256 of rows that are already in canonical order, given as one or more frames.

    Columns are taken by name, nulls, lengths and values each as a stream of their own, so the cut into chunks leaves no trace.
    -0.0 counts as 0.0 and every NaN as the same. The schema is part of the content.
    """
    names = sorted(dtypes)
    streams = {name: _Stream() for name in names}
    rows = 0
    for chunk in chunks:
        rows += chunk.height
        _feed_columns(streams, chunk)
    total = hashlib.sha256(_FORM)
    total.update(f"{rows}\n".encode())
    for name in names:
        total.update(f"{name}\x00{spelled(dtypes[name])}\x00".encode())
        streams[name].fold_into(total)
    return total.hexdigest()


def spelled(dtype: pl.DataType) -> str:
    """Our own spelling of a type, which no upgrade of polars can change."""
    if isinstance(dtype, pl.List):
        return f"list<{spelled(dtype.inner)}>"  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return f"struct<{','.join(f'{f.name}:{spelled(f.dtype)}' for f in dtype.fields)}>"  # type: ignore[arg-type]
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.precision},{dtype.scale})"
    if isinstance(dtype, pl.Datetime):
        return "timestamp(us,UTC)"
    return _NAMES[type(dtype)]


_NAMES: dict[type[pl.DataType], str] = {
    pl.String: "string",
    pl.Int64: "int64",
    pl.Float64: "float64",
    pl.Boolean: "boolean",
    pl.Date: "date",
    pl.Binary: "binary",
}


def canonical_order(frame: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """Rows sorted by key, or by every column where there is none; nulls first, text by its bytes."""
    if frame.height < 2:
        return frame
    if len(key) == 1 and frame.get_column(key[0]).is_sorted():
        return frame
    return frame.sort(key or sorted(frame.columns), nulls_last=False)


class _Stream:
    """Digests of one column: which values are missing, how long the variable ones are, and the values."""

    def __init__(self) -> None:
        self.missing = hashlib.sha256()
        self.lengths = hashlib.sha256()
        self.values = hashlib.sha256()
        self.members: dict[str, _Stream] = {}

    def member(self, name: str) -> _Stream:
        return self.members.setdefault(name, _Stream())

    def fold_into(self, total: hashlib._Hash) -> None:
        for digest in (self.missing, self.lengths, self.values):
            total.update(digest.digest())
        for name in sorted(self.members):
            total.update(f"{name}\x00".encode())
            self.members[name].fold_into(total)


def _feed_columns(streams: dict[str, _Stream], chunk: pl.DataFrame) -> None:
    """Each column into its own stream; side by side where there are many rows, for hashing lets other threads run."""
    if chunk.height < _ROWS_WORTH_THREADS:
        for name, stream in streams.items():
            _feed(stream, chunk.get_column(name))
        return
    with ThreadPoolExecutor(min(len(streams), os.cpu_count() or 1)) as threads:
        fed = [threads.submit(_feed, stream, chunk.get_column(name)) for name, stream in streams.items()]
        for one in fed:
            one.result()


def _feed(stream: _Stream, values: pl.Series) -> None:
    dtype = values.dtype
    stream.missing.update(bytes(values.len()) if values.null_count() == 0 else values.is_null().cast(pl.UInt8).to_numpy().data)
    if isinstance(dtype, pl.List):
        present = values.drop_nulls()
        stream.lengths.update(present.list.len().cast(pl.Int64).to_numpy().data)
        filled = present.filter(present.list.len() > 0)
        _feed(stream.member("item"), filled.explode(empty_as_null=False) if filled.len() else _no_items(dtype))
    elif isinstance(dtype, pl.Struct):
        present = values.drop_nulls()
        for field in dtype.fields:
            _feed(stream.member(field.name), present.struct.field(field.name))
    elif isinstance(dtype, pl.String | pl.Binary):
        present = values.drop_nulls() if values.null_count() else values
        _feed_bytes(stream, present)
    elif isinstance(dtype, pl.Decimal):
        present = values.drop_nulls()
        _feed_bytes(stream, present.cast(pl.String))
    else:
        stream.values.update(_fixed(values.drop_nulls() if values.null_count() else values).data)


def _feed_bytes(stream: _Stream, present: pl.Series) -> None:
    if present.len() == 0:
        return
    array = present.to_arrow()
    for piece in array.chunks if isinstance(array, pa.ChunkedArray) else [array]:
        large = piece.cast(pa.large_binary())
        _, offsets, data = large.buffers()
        ends = np.frombuffer(offsets, dtype=np.int64)[large.offset : large.offset + len(large) + 1]
        stream.lengths.update(np.diff(ends).data)
        if data is not None:
            stream.values.update(memoryview(data)[int(ends[0]) : int(ends[-1])])


def _fixed(present: pl.Series) -> np.ndarray:
    dtype = present.dtype
    if isinstance(dtype, pl.Float64):
        numbers = present.to_numpy() + 0.0  # makes 0.0 of -0.0
        missing = np.isnan(numbers)
        if missing.any():
            numbers[missing] = np.nan
        return numbers
    if isinstance(dtype, pl.Boolean):
        return present.cast(pl.UInt8).to_numpy()
    return present.to_physical().to_numpy()


def _no_items(dtype: pl.List) -> pl.Series:
    return pl.Series([], dtype=dtype.inner)
