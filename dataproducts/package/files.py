"""Rows of versions as one file, CSV or Parquet: the same versions give the same bytes, whoever writes them and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

import polars as pl

from dataproducts.formats.table_schema import PARTITION
from dataproducts.formats.text import as_text
from dataproducts.history import lake
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory

Format = Literal["csv", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)
MEDIA_TYPES = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
_ROWS = 65_536  # of one batch, and of a row group


@dataclass(frozen=True)
class File:
    """A file that was written: its size in bytes, the SHA-256 of them in hex, and how many rows it has."""

    bytes: int
    sha256: str
    rows: int


def write(frames: Iterable[pl.DataFrame], schema: pl.Schema, form: Format, path: Path) -> File:
    """Write frames in their order; the cut into frames leaves no trace."""
    rows = _write_csv(frames, schema, path) if form == "csv" else _write_parquet(frames, schema, path)
    return measured(path, rows)


def measured(path: Path, rows: int) -> File:
    """A file that is there."""
    digest, size = sha256(), 0
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return File(size, digest.hexdigest(), rows)


def frames(history: DatasetHistory, versions: Sequence[Version], columns: Sequence[str], *, partition: bool) -> Iterator[pl.DataFrame]:
    """The rows of versions, partition after partition and in the order they were stored in; `partition`: after the partition's key."""
    names = [PARTITION, *columns] if partition else list(columns)
    for version in sorted(versions, key=lambda v: v.partition):
        if version.rows or version.is_view:  # which had so many when it was checked
            yield from (frame.select(names) for frame in history.batches([version], names, _ROWS))


def intervals(name: str, as_of: str | None, partition: str | None, columns: Sequence[str]) -> pl.DataFrame:
    """The rows of a dataset of intervals, which follow from all its partitions together, in the order of key and time."""
    found = lake.frame(name, partition, as_of=as_of)
    table = lake.open_history(name)
    key = [k for k in table.tables()[-1].key if k in found.columns] or found.columns
    return found.sort(key, nulls_last=False).select(list(columns))


def schema(history: DatasetHistory, versions: Sequence[Version], columns: Sequence[str], *, partition: bool) -> pl.Schema:
    """Names and types of the file's columns."""
    return history.scan(versions, [PARTITION, *columns] if partition else list(columns)).collect_schema()


def _write_csv(frames: Iterable[pl.DataFrame], schema: pl.Schema, path: Path) -> int:
    rows = 0
    with path.open("wb") as stream:
        stream.write(pl.DataFrame(schema=dict.fromkeys(schema, pl.String)).write_csv().encode())
        for frame in frames:
            rows += frame.height
            stream.write(_spelled(as_text(frame)).write_csv(include_header=False).encode())
    return rows


def _spelled(frame: pl.DataFrame) -> pl.DataFrame:
    """Infinity as a Table Schema spells it."""
    infinite = [name for name, dtype in frame.schema.items() if dtype.is_float() and frame[name].is_infinite().any()]
    return frame.with_columns(pl.col(name).cast(pl.String).str.replace("inf", "INF") for name in infinite) if infinite else frame


def _write_parquet(frames: Iterable[pl.DataFrame], schema: pl.Schema, path: Path) -> int:
    import pyarrow.parquet as pq

    empty = pl.DataFrame(schema=schema)
    rows = 0
    with pq.ParquetWriter(path, empty.to_arrow().schema, compression="zstd", compression_level=3) as writer:
        for frame in _cut(frames, empty):
            rows += frame.height
            writer.write_table(frame.to_arrow(), row_group_size=_ROWS)
    return rows


def _cut(frames: Iterable[pl.DataFrame], waiting: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """Frames of exactly as many rows as a row group has, apart from the last."""
    for frame in frames:
        waiting = pl.concat([waiting, frame])
        while waiting.height >= _ROWS:
            yield waiting.head(_ROWS)
            waiting = waiting.slice(_ROWS)
    if waiting.height:
        yield waiting
