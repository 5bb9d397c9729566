"""What is in a file: CSV, JSON, NDJSON, Excel and Parquet as frames or records, a bounded number of rows at a time.

Text formats give text, which the contract casts. No message quotes a file, which may hold personal data.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import IO, Any, Literal, NoReturn

import polars as pl

from dataproducts.contract import Contract
from dataproducts.errors import ConfigurationError, SourceError
from dataproducts.ports.inputs.locations import File

Format = Literal["csv", "json", "ndjson", "excel", "parquet"]
BATCH_ROWS, BLOCK = 20_000, 4 << 20

_SUFFIXES: dict[str, Format] = {
    "csv": "csv", "tsv": "csv", "txt": "csv", "json": "json", "ndjson": "ndjson", "jsonl": "ndjson",
    "xlsx": "excel", "xls": "excel", "xlsb": "excel", "ods": "excel", "parquet": "parquet",
}  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """How files are read; `records` is the dotted path of the list in a JSON document."""

    format: Format
    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: str = "."
    sheet: str | None = None
    records: str = ""

    def read(self, file: File, contract: Contract, where: str) -> Iterator[pl.DataFrame | list[Any]]:
        """Its rows. Raises SourceError, with the place in the file, for one that is not what it should be."""
        readers: dict[Format, Callable[[File, Contract, str], Iterator[Any]]] = {
            "csv": self._csv,
            "json": self._json,
            "ndjson": self._ndjson,
            "excel": self._excel,
            "parquet": self._parquet,
        }
        try:
            yield from readers[self.format](file, contract, f"{where}: file {file.name}")
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise SourceError(f"{where}: file {file.name} is cut off, or not compressed as its name says; nothing was stored") from None

    def _csv(self, file: File, contract: Contract, where: str) -> Iterator[pl.DataFrame]:
        import pyarrow as pa
        from pyarrow import csv

        ragged: list[Any] = []

        def refuse(row: Any) -> str:
            ragged.append(row)
            return "error"

        encoding = {} if self.encoding == "utf-8" else {"encoding": self.encoding}
        read = csv.ReadOptions(block_size=BLOCK, use_threads=False, **encoding)
        parse = csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=refuse)
        try:
            with _opened(file.path, file.name) as stream:
                names = csv.open_csv(stream, read, parse).schema.names
            if (twice := next((n for n in names if names.count(n) > 1), None)) is not None:
                raise SourceError(f"{where} has the column {twice!r} twice; nothing was stored")
            # an empty field is missing and an empty text in quotes is one
            text = csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            )
            with _opened(file.path, file.name) as stream:
                for batch in csv.open_csv(stream, read, parse, text):
                    frame = pl.DataFrame(batch)
                    yield self._with_points(frame, contract) if self.decimal == "," else frame
        except UnicodeDecodeError:
            self._not_encoded(where)
        except pa.ArrowInvalid as error:
            if ragged:
                row = ragged[0]
                place = f"row {row.number}" if row.number is not None else "a row"
                raise SourceError(
                    f"{where}: {place} has {row.actual_columns} fields and its header has {row.expected_columns}; see delimiter and "
                    "quotes; nothing was stored"
                ) from None
            if "UTF8" in str(error):
                self._not_encoded(where)
            if "Empty CSV" in str(error):
                raise SourceError(f"{where} is empty, even of a header; nothing was stored") from None
            raise SourceError(f"{where} is no CSV that can be read; see delimiter and quotes; nothing was stored") from None

    def _not_encoded(self, where: str) -> NoReturn:
        other = "windows-1252" if self.encoding == "utf-8" else "utf-8"
        raise SourceError(
            f'{where} is not {self.encoding}; declare what it is, for instance encoding="{other}"; nothing was stored'
        ) from None

    def _with_points(self, frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
        """Numbers with a decimal comma as numbers are written elsewhere."""
        numbers = {c.source or c.name for c in contract.columns if isinstance(c.dtype, pl.Decimal | pl.Float64)}
        return frame.with_columns(pl.col([n for n in frame.columns if n in numbers]).str.replace(",", ".", literal=True))

    def _json(self, file: File, contract: Contract, where: str) -> Iterator[list[Any]]:
        import ijson  # type: ignore[import-untyped]

        wanted = self.records
        found = 0
        try:
            with _opened(file.path, file.name) as stream:
                for batch in _batched(ijson.items(stream, f"{wanted}.item" if wanted else "item")):
                    found += len(batch)
                    yield batch
            if not found:
                with _opened(file.path, file.name) as stream:
                    if not any(event == (wanted, "start_array", None) for event in ijson.parse(stream)):
                        place = f"has no list at {wanted!r}" if wanted else "is no list of records; say where it is with records="
                        raise SourceError(f"{where} {place}; nothing was stored")
        except (ijson.JSONError, UnicodeDecodeError, ValueError):
            raise SourceError(f"{where} is not JSON in UTF-8, or is cut off, after {found:,} records; nothing was stored") from None

    def _ndjson(self, file: File, contract: Contract, where: str) -> Iterator[list[Any]]:
        def records(stream: IO[bytes]) -> Iterator[Any]:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                try:
                    yield json.loads(line, parse_float=Decimal, parse_constant=_no_number)
                except (ValueError, RecursionError):
                    raise SourceError(f"{where}: line {number:,} is not JSON in UTF-8; nothing was stored") from None

        with _opened(file.path, file.name) as stream:
            yield from _batched(records(stream))

    def _excel(self, file: File, contract: Contract, where: str) -> Iterator[pl.DataFrame]:
        try:
            import fastexcel
        except ModuleNotFoundError:
            raise ConfigurationError("Excel files need their reader; install dataproducts[excel]") from None
        try:
            book = fastexcel.read_excel(file.path.read_bytes())
            if self.sheet is not None and self.sheet not in book.sheet_names:
                raise SourceError(f"{where} has no sheet {self.sheet!r}; its sheets are {', '.join(book.sheet_names)}; nothing was stored")
            frame = book.load_sheet(self.sheet if self.sheet is not None else 0, dtypes="string").to_polars()
        except fastexcel.FastExcelError:
            raise SourceError(f"{where} is no Excel file, or its sheet has no header; nothing was stored") from None
        # a day is a time at midnight there
        days = [n for c in contract.columns if isinstance(c.dtype, pl.Date) and (n := c.source or c.name) in frame.columns]
        yield frame.with_columns(pl.col(days).str.strip_suffix(" 00:00:00"))

    def _parquet(self, file: File, contract: Contract, where: str) -> Iterator[pl.DataFrame]:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(file.path) as source:
                for batch in source.iter_batches(BATCH_ROWS):
                    yield pl.DataFrame(batch)
        except (pa.ArrowException, OSError):
            raise SourceError(f"{where} is no Parquet file, or is cut off; nothing was stored") from None


def format_of(pattern: str) -> Format | None:
    """What a file's name says it is; None where it says nothing."""
    name = PurePosixPath(pattern.partition("?")[0] if "://" in pattern else pattern).name.lower().removesuffix(".gz")
    return _SUFFIXES.get(name.rpartition(".")[2])


def _opened(path: Path, name: str) -> IO[bytes]:
    return gzip.open(path, "rb") if name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


def _batched(records: Iterator[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    for record in records:
        batch.append(record)
        if len(batch) >= BATCH_ROWS:
            yield batch
            batch = []
    if batch:
        yield batch


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)
