"""A query in DuckDB, over the files of exactly the versions that were chosen."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import polars as pl

from dataproducts import settings
from dataproducts.contract import Contract, personal_columns
from dataproducts.errors import DataProductsError, QueryFailed
from dataproducts.history.table import UNREADABLE
from dataproducts.inputs import Chosen
from dataproducts.sql.parsing import PARTITION
from dataproducts.sql.query import Query, Upstream
from dataproducts.sql.text import SqlText
from dataproducts.sql.translation import MARK
from dataproducts.sql.types import duckdb_type, fitted

if TYPE_CHECKING:
    import duckdb

BATCH_ROWS = 262_144
_UNQUOTED = {"ConversionException": "a value cannot be converted", "OutOfRangeException": "a value is out of range"}
_INTEGERS = frozenset({"HUGEINT", "UHUGEINT", "INTEGER", "UINTEGER", "SMALLINT", "USMALLINT", "TINYINT", "UTINYINT", "UBIGINT"})


class Runnable(Protocol):
    """What the engine takes of a query: of one that was declared here, or of one that a version of a view has beside it."""

    @property
    def contract(self) -> Contract: ...
    @property
    def text(self) -> SqlText: ...
    @property
    def tables(self) -> Mapping[str, Upstream]: ...
    @property
    def local(self) -> str: ...
    @property
    def takes_partition(self) -> bool: ...
    def columns(self, table: str) -> tuple[str, ...]: ...


class DuckDB:
    """One connection, for the partitions of one run."""

    def __init__(self, query: Runnable, connection: duckdb.DuckDBPyConnection) -> None:
        self._query = query
        self._connection = connection
        self._sql = ""

    def rows(self, partition: str, chosen: Mapping[str, Chosen | pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """The query's rows, of the contract's types, in batches. `chosen` are its inputs, by name.

        Raises QueryFailed where a value cannot be computed, with the place in the author's file where DuckDB tells it.
        """
        import duckdb

        try:
            with self._offered(chosen), self._answer(partition).to_arrow_reader(BATCH_ROWS) as reader:
                for batch in reader:
                    yield fitted(batch, self._query.contract, self._where(partition))
        except (duckdb.Error, *UNREADABLE) as error:
            computed = (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.OutOfMemoryException, duckdb.BinderException)
            if not isinstance(error, computed) and f'"{MARK}' not in str(error):
                self._refuse_damage(chosen)
            raise self._failure(partition, error) from error

    def _answer(self, partition: str) -> Any:
        """Integers of DuckDB's other widths, of sums for instance, are made BIGINT, which fails where they are too large."""
        query = self._query
        parameters = {PARTITION: partition} if query.takes_partition else None
        self._sql = query.local
        relation = self._connection.sql(self._sql, params=parameters)
        if not any(str(kind) in _INTEGERS for kind in relation.types):
            return relation
        shown = [
            f"CAST({_quoted(n)} AS BIGINT) AS {_quoted(n)}" if str(kind) in _INTEGERS else _quoted(n)
            for n, kind in zip(relation.columns, relation.types, strict=True)
        ]
        self._sql = f"SELECT {', '.join(shown)} FROM ({query.local})"
        return self._connection.sql(self._sql, params=parameters)

    @contextmanager
    def _offered(self, chosen: Mapping[str, Chosen | pl.DataFrame]) -> Iterator[None]:
        """A view of each table that the query reads, for as long as it is read."""
        with ExitStack() as stack:
            for table, upstream in self._query.tables.items():
                given, columns = chosen[upstream.name], self._query.columns(table)
                files = _in_files(given, columns) if isinstance(given, Chosen) else None
                if files is not None:
                    self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {_quoted(table)} AS {files}")
                else:
                    frame = given.frame(columns) if isinstance(given, Chosen) else given.select(columns)
                    self._connection.register(table, frame.to_arrow())
                    stack.callback(self._connection.unregister, table)
            yield

    def _where(self, partition: str) -> str:
        return f"{self._query.contract.dataset}, partition {partition!r}" if partition != "-" else self._query.contract.dataset

    def _failure(self, partition: str, error: Exception) -> DataProductsError:
        import duckdb

        said, at = _told(error, self._sql)
        text, where = self._query.text, self._where(partition)
        place = text.at(at) if at is not None else str(text.path)
        if said == "division by zero":
            return QueryFailed(f"{place}: division by zero, in {where}; write SAFE_DIVIDE, or NULLIF around the divisor")
        if isinstance(error, duckdb.OutOfMemoryException):
            return QueryFailed(
                f"{place}: it needs more than the {settings.duckdb_memory()} of memory DuckDB may take, in {where}; "
                "read fewer columns or partitions, or raise DATAPRODUCTS_DUCKDB_MEMORY"
            )
        if isinstance(error, duckdb.IOException):
            return QueryFailed(f"{place}: DuckDB cannot read or write what it needs ({said}), in {where}; free some space and run again")
        if any(personal_columns(up.contract.columns) for up in self._query.tables.values()):
            said = _UNQUOTED.get(type(error).__name__, "a value cannot be computed")  # DuckDB quotes the value
        return QueryFailed(f"{place}: {said}, in {where}; correct the query, or what it reads")

    def _refuse_damage(self, chosen: Mapping[str, Chosen | pl.DataFrame]) -> None:
        """Files that cannot be read are not the query's fault, and are named."""
        for given in chosen.values():
            if isinstance(given, Chosen) and (damage := given.damage()) is not None:
                raise damage


@contextmanager
def opened(query: Runnable) -> Iterator[DuckDB]:
    """Connect: with a limit of memory (DATAPRODUCTS_DUCKDB_MEMORY) beyond which DuckDB goes to disk, and files of the lake only."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="dataproducts-sql-") as scratch:
        try:
            connection = duckdb.connect(config={"memory_limit": settings.duckdb_memory(), "temp_directory": scratch})
        except duckdb.Error as error:
            raise QueryFailed(f"{query.contract.dataset}: DuckDB does not start ({_line(str(error))}); correct that") from error
        try:
            connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false; SET errors_as_json = true")
            connection.execute(f"SET allowed_directories = [{_literal(settings.lake())}, {_literal(scratch)}]")
            connection.execute("SET enable_external_access = false; SET lock_configuration = true")
            yield DuckDB(query, connection)
        finally:
            connection.close()


def _in_files(chosen: Chosen, columns: Sequence[str]) -> str | None:
    """SQL over the Parquet files that hold the versions; None where DuckDB cannot read them itself."""
    holding = chosen.holding()
    if holding is None:
        return None
    contract = chosen.input.contract
    parts = [f"SELECT {', '.join(f'NULL::{duckdb_type(contract.dtypes[c])} AS {_quoted(c)}' for c in columns)} WHERE false"]
    groups: dict[tuple[bool, tuple[str, ...]], list[str]] = {}
    for path, is_whole in [*((p, True) for p in holding.whole), *((p, False) for p in holding.part)]:
        there = pl.read_parquet_schema(path)  # columns that came with a later version of the contract are not in every file
        groups.setdefault((is_whole, tuple(c for c in columns if c in there)), []).append(path)
    for (is_whole, there_), paths in groups.items():
        shown = ", ".join(_quoted(c) if c in there_ else f"NULL::{duckdb_type(contract.dtypes[c])} AS {_quoted(c)}" for c in columns)
        rows = f"SELECT {shown} FROM read_parquet([{', '.join(map(_literal, paths))}], hive_partitioning = false)"
        parts.append(rows if is_whole else f"{rows} WHERE {_of(holding.pairs)}")
    return " UNION ALL ".join(parts if len(parts) == 1 else parts[1:])


def _of(pairs: frozenset[tuple[str, int]]) -> str:
    """Rows of these versions. A list of partitions lets DuckDB skip the row groups of others."""
    partitions = sorted({p for p, _ in pairs})
    numbers = {n for _, n in pairs}
    condition = f"_partition IN ({', '.join(map(_literal, partitions))})"
    if len(numbers) == 1:
        return f"{condition} AND _version = {numbers.pop()}"
    return f"{condition} AND (_partition, _version) IN ({', '.join(f'({_literal(p)}, {n})' for p, n in sorted(pairs))})"


def _told(error: Exception, sql: str) -> tuple[str, int | None]:
    """What DuckDB says, and the offset in the author's file that the translation left beside the place."""
    text = str(error)
    try:
        told = json.loads(text[text.index("{") :])
    except ValueError:
        return _line(text), None
    said = str(told.get("exception_message", text))
    if ours := re.fullmatch(r"@(\d*)", said.strip()):
        return "division by zero", int(ours[1]) if ours[1] else None
    at = None
    if place := re.fullmatch(r"\[(\d+),(\d+)\]", str(told.get("location", ""))):
        start, length = int(place[1]), int(place[2])
        after = sql.encode()[start : start + length + 40].decode(errors="ignore")
        if mark := re.search(r"/\* @(\d+) \*/", after):
            at = int(mark[1])
    said = re.sub(r" when casting from source column \S+$", "", _line(said))
    return said[0].lower() + said[1:], at


def _line(text: str) -> str:
    return text.strip().split("\n", 1)[0].rstrip(".")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def over_frames(query: Query, partition: str, frames: Mapping[str, Any]) -> pl.DataFrame:
    """The query over frames of any kind the kit takes, with the names that stored rows have, as a test of it wants."""
    from dataclasses import replace

    from dataproducts.quality.conform import conform
    from dataproducts.quality.frames import batches

    given: dict[str, Chosen | pl.DataFrame] = {}
    for upstream in query.tables.values():
        contract = replace(upstream.contract, columns=tuple(replace(column, source=None) for column in upstream.contract.columns))
        taken = [conform(rows, contract).frame for rows in batches(frames[upstream.name], contract.dataset)]
        given[upstream.name] = pl.concat(taken) if taken else contract.empty()
    with opened(query) as engine:
        found = list(engine.rows(partition, given))
    return pl.concat(found) if found else query.contract.empty()
