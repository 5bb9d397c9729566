"""Rows of data on their way out: a table for people; CSV, JSON and Parquet for programs, batch by batch.

Everything a contract can hold is spelled without loss: dates and times in ISO 8601 with the offset, decimals in full (in JSON as
strings, since most readers make floats of numbers), binary as Base64, lists and structs in CSV as JSON. JSON has no word for NaN and
infinity and shows null there. In CSV a missing value is empty and an empty text is "".
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, cast, get_args

import click

from dataproducts.cli import tables
from dataproducts.files import replacing
from dataproducts.formats.text import as_text, without_binary

if TYPE_CHECKING:
    import polars as pl

    from dataproducts.history.ledger import Version
    from dataproducts.history.store import DatasetHistory

Format = Literal["csv", "json", "parquet"]
FORMATS: tuple[str, ...] = get_args(Format)
FIRST = 20  # rows shown on a terminal
_BATCH_ROWS = 65_536
_WIDEST = 48  # characters of a cell on a terminal


def form_of(given: str | None, output: Path | None) -> Format | None:
    """The format asked for: as said, else by the file's ending, else CSV; None is the table for a terminal."""
    if given is None and output is not None:
        given = output.suffix.lstrip(".").lower()
        given = given if given in FORMATS else "csv"
    if given == "parquet" and output is None:
        raise click.UsageError("Parquet is not text; give a file with -o FILE")
    if given is None and not sys.stdout.isatty():
        given = "csv"
    return cast("Format | None", given)


def write(rows: pl.LazyFrame, form: Format, output: Path | None, reading: Reading) -> int:
    """Write rows to a file, whole or not at all, or to standard output; gives their number."""
    if output is None:
        return _write_text(rows, form, sys.stdout.buffer, reading)
    with replacing(output) as draft:
        if form == "parquet":
            return _write_parquet(rows, draft, reading)
        with draft.open("wb") as stream:
            return _write_text(rows, form, stream, reading)


class Reading:
    """Reads of some versions of a dataset; a damaged or missing file is found and named."""

    def __init__(self, history: DatasetHistory, versions: Sequence[Version]) -> None:
        self.history = history
        self.versions = versions

    @contextmanager
    def of_lake(self) -> Iterator[None]:
        """Around anything that reads the lake."""
        from dataproducts.history.table import UNREADABLE

        try:
            yield
        except UNREADABLE:
            self.history.verify(self.versions)
            raise

    def batches(self, rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
        """The rows, a batch at a time and in order."""
        with self.of_lake():
            found = iter(rows.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True))
        while True:
            with self.of_lake():
                batch = next(found, None)
            if batch is None:
                return
            yield batch


def show(rows: pl.DataFrame, total: int) -> None:
    """The first rows as a table, with as many columns as the terminal is wide."""
    console = tables.console()
    cells = [[_cell(value) for value in row] for row in rows.iter_rows()]
    numeric = [dtype.is_numeric() for dtype in rows.dtypes]
    widths = [max([len(name), *(len(row[i]) for row in cells)]) + 2 for i, name in enumerate(rows.columns)]
    fitting = 1
    while fitting < len(widths) and sum(widths[: fitting + 1]) <= console.width:
        fitting += 1
    headings = [tables.Heading(name, "right" if right else "left") for name, right in zip(rows.columns, numeric, strict=True)]
    tables.show(headings[:fitting], [row[:fitting] for row in cells])
    parts = []
    if rows.height < total:
        parts.append(f"the first {rows.height} of {tables.count(total, 'row')}")
    if fitting < rows.width:
        parts.append(f"{fitting} of {rows.width} columns")
    if parts:
        tables.note(f"showing {' and '.join(parts)}; --columns and --limit choose, --format csv or -o FILE gives all")


def _cell(value: object) -> str:
    from dataproducts.quality.conform import to_json

    if value is None:
        return tables.NOTHING
    text = to_json(value) if isinstance(value, dict | list) else value.hex() if isinstance(value, bytes) else str(value)
    text = text.replace("\n", "⏎") or '""'
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _write_text(rows: pl.LazyFrame, form: Format, stream: IO[bytes], reading: Reading) -> int:
    writer: Callable[..., int] = _write_csv if form == "csv" else _write_json
    with reading.of_lake():
        schema = rows.collect_schema()
    number = writer(reading.batches(rows), schema, stream)
    stream.flush()
    return number


def _write_csv(batches: Iterator[pl.DataFrame], schema: pl.Schema, stream: IO[bytes]) -> int:
    import polars as pl

    stream.write(pl.DataFrame(schema=dict.fromkeys(schema, pl.String)).write_csv().encode())
    number = 0
    for batch in batches:
        number += batch.height
        stream.write(as_text(batch).write_csv(include_header=False).encode())
    return number


def _write_json(batches: Iterator[pl.DataFrame], schema: pl.Schema, stream: IO[bytes]) -> int:
    number = 0
    for batch in batches:
        lines = without_binary(batch).write_ndjson().rstrip("\n")
        if lines:
            stream.write((",\n" if number else "[\n").encode() + lines.replace("\n", ",\n").encode())
            number += batch.height
    stream.write(b"\n]\n" if number else b"[]\n")
    return number


def _write_parquet(rows: pl.LazyFrame, draft: Path, reading: Reading) -> int:
    import polars as pl

    with reading.of_lake():
        rows.sink_parquet(draft, compression="zstd")
    return int(pl.scan_parquet(draft).select(pl.len()).collect().item())
