"""A database for reading: one connection that sees one state and cannot write, its rows as frames, and its errors as one sentence."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from dataproducts.contract import Column
from dataproducts.errors import ConfigurationError, ContractBreach, DataProductsError, SourceError
from dataproducts.quality.conform import exact, to_json

ANSWER_SECONDS = 15
"""How long a server may take to let us in."""
BATCH_CELLS = 1_000_000
"""So many values are in memory at a time."""


@contextmanager
def snapshot(address: str, variable: str, where: str) -> Iterator[sa.Connection]:
    """A connection that sees one state throughout and cannot write.

    Raises ConfigurationError for an address that cannot be one or does not let us in, SourceError where the database does not answer or
    refuses what it is asked. No message has the address in it, since it holds a password.
    """
    engine = _engine(address, variable)
    try:
        with _told(engine, variable, where), engine.connect() as connection:
            connection.begin()
            yield connection
    finally:
        engine.dispose()


def _engine(address: str, variable: str) -> sa.Engine:
    for short in ("postgres://", "postgresql://"):
        if address.startswith(short):
            address = "postgresql+psycopg://" + address.removeprefix(short)
    try:
        url = sa.make_url(address)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigurationError(
            f"{variable} is not a database address; write it as postgresql://user:password@host/name or sqlite:///path"
        ) from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite(Path(url.database or ""))
    if backend != "postgresql":
        raise ConfigurationError(f"{variable} is an address of {backend}; databases are read from PostgreSQL and SQLite")
    try:
        return sa.create_engine(
            url,
            poolclass=sa.pool.NullPool,
            hide_parameters=True,
            isolation_level="REPEATABLE READ",
            connect_args={"connect_timeout": ANSWER_SECONDS, "application_name": "dataproducts"},
            execution_options={"postgresql_readonly": True},
        )
    except (ModuleNotFoundError, sa.exc.NoSuchModuleError):
        raise ConfigurationError("PostgreSQL needs its client; install dataproducts[postgres]") from None


def _sqlite(path: Path) -> sa.Engine:
    def connect() -> sqlite3.Connection:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, timeout=ANSWER_SECONDS, check_same_thread=False, isolation_level=None)

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.pool.NullPool, hide_parameters=True)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("begin"))
    return engine


def frames(
    connection: sa.Connection, statement: sa.sql.Executable, parameters: Mapping[str, Any], columns: Mapping[str, Column]
) -> Iterator[pl.DataFrame]:
    """The rows a statement gives, in frames of a bounded size. `columns` are the contract's by the name they have in the source."""
    result = connection.execute(statement, parameters, execution_options={"stream_results": True})
    names = list(result.keys())
    if (twice := next((n for n in names if names.count(n) > 1), None)) is not None:
        raise ContractBreach(f"gives the column {twice!r} twice; give one of the two another name with AS")
    for rows in result.yield_per(max(1_000, BATCH_CELLS // max(1, len(names)))).partitions():
        values = zip(*rows, strict=True)
        yield pl.DataFrame([series(name, of_one, columns.get(name)) for name, of_one in zip(names, values, strict=True)])


def series(name: str, values: Sequence[Any], column: Column | None) -> pl.Series:
    """What a client made of one column's values, as a series of the type that keeps them exactly; text where no type does."""
    kinds = set(map(type, values)) - {type(None)}
    want = column.dtype if column is not None else None
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if kinds == {int}:
        if isinstance(want, pl.Boolean) and set(values) <= {0, 1, None}:  # SQLite has no truth values
            return pl.Series(name, [None if v is None else v == 1 for v in values], dtype=pl.Boolean)
        if all(v is None or -(2**63) <= v < 2**63 for v in values):
            return pl.Series(name, values, dtype=pl.Int64)
    if len(kinds) == 1 and (plain := _PLAIN.get(next(iter(kinds)))) is not None:
        return pl.Series(name, values, dtype=plain)
    if kinds <= {Decimal, int} and (scale := _scale(values)) is not None:
        return pl.Series(name, values, dtype=pl.Decimal(38, scale))
    if kinds == {datetime}:
        aware = {v.utcoffset() is not None for v in values if v is not None}
        if len(aware) == 1:
            return pl.Series(name, values, dtype=pl.Datetime("us", "UTC") if aware == {True} else pl.Datetime("us"))
    if want is not None and want.is_nested():
        try:
            return pl.Series(name, [exact(v, want) for v in values], dtype=want, strict=True)
        except (ValueError, TypeError, ArithmeticError):
            pass  # as text it is refused by the contract, row by row
    return pl.Series(name, [_text(v) for v in values], dtype=pl.String)


_PLAIN: dict[type, pl.DataType] = {
    bool: pl.Boolean(),
    float: pl.Float64(),
    str: pl.String(),
    bytes: pl.Binary(),
    date: pl.Date(),
}


def _scale(values: Sequence[Any]) -> int | None:
    """Decimals that keep every digit of these numbers; None where 38 digits do not."""
    most, whole = 0, 1
    for value in values:
        if value is None:
            continue
        _, digits, exponent = Decimal(value).as_tuple()
        if isinstance(exponent, str):  # not a number, or infinite
            return None
        most, whole = max(most, -exponent), max(whole, len(digits) + exponent)
    return most if most + whole <= 38 else None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, date | datetime):
        return value.isoformat()
    return to_json(value) if isinstance(value, dict | list | bytes | bool) else str(value)


# --- errors -----------------------------------------------------------------------------------------------------------


@contextmanager
def _told(engine: sa.Engine, variable: str, where: str) -> Iterator[None]:
    """Trouble of the database as one sentence that names what to do."""
    words = _postgres if engine.dialect.name == "postgresql" else _sqlite_words
    try:
        yield
    except DataProductsError as error:
        if type(error) is ContractBreach and not str(error).startswith(where):
            raise ContractBreach(f"{where}: the query {error}") from None
        raise
    except sa.exc.StatementError as error:  # the cause holds the statement and, of a connection, the address
        raise words(error.orig or error, variable, where) from None
    except sa.exc.SQLAlchemyError as error:
        raise SourceError(f"{where}: the database of {variable} cannot be read ({_first(error)}); nothing was stored") from None
    except (sqlite3.Error, OSError) as error:
        raise words(error, variable, where) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] != "psycopg":
            raise
        raise words(error, variable, where) from None


def _postgres(error: BaseException, variable: str, where: str) -> DataProductsError:
    state = getattr(error, "sqlstate", None) or ""
    text = _first(error)
    if state in _STATES:
        kind, remedy = _STATES[state]
        return kind(f"{where}: the database of {variable} says: {text}; {remedy}; nothing was stored")
    if state.startswith("42"):
        return ConfigurationError(f"{where}: the database of {variable} says: {text}; correct the query; nothing was stored")
    if state.startswith("22") or (not state and type(error).__name__ == "DataError"):
        return SourceError(
            f"{where}: a value in the database of {variable} cannot be read ({text}); cast it in the query; nothing was stored"
        )
    if not state and "FATAL:" in str(error):
        why = next((line.partition("FATAL:")[2] for line in str(error).splitlines() if "FATAL:" in line), text).strip()
        return ConfigurationError(f"{where}: the database of {variable} does not let us in ({why}); correct user, password or name there")
    if not state or state[:2] in ("08", "57"):
        return SourceError(f"{where}: the database of {variable} does not answer; see that it runs and can be reached; nothing was stored")
    return SourceError(f"{where}: the database of {variable} says: {text}; nothing was stored")


_STATES: Mapping[str, tuple[Callable[[str], DataProductsError], str]] = {
    "42P01": (ConfigurationError, "correct the table's name"),
    "42703": (ConfigurationError, "correct the column's name, in the query or as source= of a column"),
    "42501": (ConfigurationError, "have its owner grant SELECT to the user of that address"),
    "25006": (ConfigurationError, "a source is only read: make it a SELECT"),
    "57014": (SourceError, "the query was stopped there; see its time limit, and run again"),
    "40001": (SourceError, "run again"),
    "28P01": (ConfigurationError, "correct the password"),
}


def _sqlite_words(error: BaseException, variable: str, where: str) -> DataProductsError:
    text = _first(error)
    if text.startswith("unable to open"):
        return SourceError(f"{where}: there is no database file where {variable} points to; correct the path; nothing was stored")
    if "is not a database" in text or "malformed" in text:
        return SourceError(f"{where}: the file of {variable} is no SQLite database, or is damaged; nothing was stored")
    if "locked" in text:
        return SourceError(f"{where}: the database of {variable} is locked by another program; run again; nothing was stored")
    if "Could not decode" in text:
        return SourceError(f"{where}: a text in the database of {variable} is not UTF-8; cast it in the query; nothing was stored")
    if text.startswith("no such table"):
        return ConfigurationError(f"{where}: the database of {variable} says: {text}; correct the table's name; nothing was stored")
    if text.startswith("no such column"):
        remedy = "correct the column's name, in the query or as source= of a column"
        return ConfigurationError(f"{where}: the database of {variable} says: {text}; {remedy}; nothing was stored")
    if "readonly" in text:
        return ConfigurationError(f"{where}: the database of {variable} is only read: make the query a SELECT; nothing was stored")
    return ConfigurationError(f"{where}: the database of {variable} says: {text}; correct the query; nothing was stored")


def _first(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].removeprefix("ERROR:").strip().rstrip(".")[:200] if lines else type(error).__name__
