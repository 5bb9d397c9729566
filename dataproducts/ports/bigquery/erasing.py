"""Erasing at BigQuery: rows are deleted by their values, and versions told what they are now. Both again do nothing more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts.history.ledger import Version
from dataproducts.ports.bigquery.columns import DAY, HASH, PARTITION, ROWS, VERSION, arrow_type
from dataproducts.ports.bigquery.connection import Connection, told
from dataproducts.ports.bigquery.reading import quoted
from dataproducts.ports.bigquery.tables import Target

if TYPE_CHECKING:
    from dataproducts.erasure.subjects import Erased

TIME_TRAVEL, FAIL_SAFE = timedelta(days=7), timedelta(days=7)
_AT_ONCE = 2_000  # keys that one statement names; BigQuery takes 10,000 parameters
_ALWAYS = f"{DAY} >= DATE '0001-01-01'"  # the tables demand a filter on their day
_TYPES = {pl.String: "STRING", pl.Int64: "INT64", pl.Boolean: "BOOL", pl.Date: "DATE", pl.Datetime: "TIMESTAMP", pl.Decimal: "NUMERIC"}


def later(now: datetime) -> str:
    """Until when BigQuery can still give back what was deleted."""
    travel, safe = now + TIME_TRAVEL, now + TIME_TRAVEL + FAIL_SAFE
    return f"BigQuery's time travel keeps deleted rows until {travel:%Y-%m-%d %H:%M} UTC, and its fail-safe until {safe:%Y-%m-%d}"


def erase(connection: Connection, target: Target, erased: Erased, versions: Sequence[Version]) -> int:
    """Delete or empty the rows of those who are erased from one major's tables; gives how many there were."""
    with told(connection, f"when erasing from {target.names.rows}"):
        if connection.found_table(target.names.rows) is None:
            return 0
        deleted = 0
        for subjects in erased.subjects:
            if set(subjects.columns) <= target.dtypes.keys():
                found = _distinct(connection, target, subjects.columns)
                theirs = found.filter(erased.hits(found)) if found.height else found
                for start in range(0, theirs.height, _AT_ONCE):
                    deleted += _deleted(connection, target, theirs.slice(start, _AT_ONCE))
        for subjects in erased.emptied:
            if set(subjects.columns) <= target.dtypes.keys():
                found = _distinct(connection, target, subjects.columns)
                theirs = found.filter(subjects.hits(found)) if found.height else found
                empties = {name: json.loads(instead) for name, instead in subjects.empties if name in target.dtypes}
                for start in range(0, theirs.height, _AT_ONCE):
                    deleted += _emptied(connection, target, theirs.slice(start, _AT_ONCE), empties)
        if connection.found_table(target.names.versions) is not None:
            _retold(connection, target, versions)
        return deleted


def _distinct(connection: Connection, target: Target, columns: Sequence[str]) -> pl.DataFrame:
    """The values there are: whoever resumes an erasure knows hashes only."""
    import pyarrow as pa

    names = ", ".join(quoted(n) for n in columns)
    rows = connection.query(f"SELECT DISTINCT {names} FROM {quoted(target.names.rows)} WHERE {_ALWAYS}")
    schema = pa.schema([pa.field(n, arrow_type(target.dtypes[n])) for n in columns])
    frame = pl.from_arrow(rows.to_arrow(create_bqstorage_client=False).select(list(columns)).cast(schema))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _deleted(connection: Connection, target: Target, theirs: pl.DataFrame) -> int:
    which, parameters = _which(theirs)
    where = f"FROM {quoted(target.names.rows)} WHERE {_ALWAYS} AND {which}"
    count = next(iter(connection.query(f"SELECT COUNT(*) AS found {where}", parameters)))["found"]
    connection.query(f"DELETE {where}", parameters)
    return int(count)


def _emptied(connection: Connection, target: Target, theirs: pl.DataFrame, empties: Mapping[str, Any]) -> int:
    """Take values out of rows that stay; gives how many rows had some."""
    from google.cloud.bigquery import ScalarQueryParameter

    which, parameters = _which(theirs)
    held, changes = [], []
    for number, (name, instead) in enumerate(empties.items()):
        column = quoted(name)
        if isinstance(target.dtypes[name], pl.List):
            held.append(f"ARRAY_LENGTH({column}) > 0")
            changes.append(f"{column} = []")
        elif instead is None:
            held.append(f"{column} IS NOT NULL")
            changes.append(f"{column} = NULL")
        else:
            held.append(f"({column} IS NULL OR {column} != @e{number})")
            changes.append(f"{column} = @e{number}")
            parameters.append(ScalarQueryParameter(f"e{number}", _TYPES.get(type(target.dtypes[name]), "FLOAT64"), instead))
    where = f"{_ALWAYS} AND {which} AND ({' OR '.join(held)})"
    count = next(iter(connection.query(f"SELECT COUNT(*) AS found FROM {quoted(target.names.rows)} WHERE {where}", parameters)))["found"]
    connection.query(f"UPDATE {quoted(target.names.rows)} SET {', '.join(changes)} WHERE {where}", parameters)
    return int(count)


def _which(theirs: pl.DataFrame) -> tuple[str, list[Any]]:
    """The condition of rows with these values, and its parameters."""
    from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

    names = theirs.columns
    types = [_TYPES[type(theirs.schema[n])] for n in names]
    parameters: list[Any]
    if len(names) == 1:
        parameters = [ArrayQueryParameter("values", types[0], theirs[names[0]].to_list())]
        which = f"{quoted(names[0])} IN UNNEST(@values)"
    else:
        parameters = [
            ScalarQueryParameter(f"v{i}_{row}", types[i], value)
            for row, values in enumerate(theirs.rows())
            for i, value in enumerate(values)
        ]
        each = (" AND ".join(f"{quoted(n)} = @v{i}_{row}" for i, n in enumerate(names)) for row in range(theirs.height))
        which = f"({' OR '.join(f'({one})' for one in each)})"
    return which, parameters


def _retold(connection: Connection, target: Target, versions: Sequence[Version]) -> None:
    """Rows and content hash of the versions that lost rows."""
    from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

    for version in versions:
        if not version.void_hashes:
            continue
        sql = (
            f"UPDATE {quoted(target.names.versions)} SET {ROWS} = @rows, {HASH} = @hash "
            f"WHERE {_ALWAYS} AND {PARTITION} = @partition AND {VERSION} = @version AND {HASH} IN UNNEST(@void)"
        )
        connection.query(
            sql,
            [
                ScalarQueryParameter("rows", "INT64", version.rows),
                ScalarQueryParameter("hash", "STRING", version.content_hash),
                ScalarQueryParameter("partition", "STRING", version.partition),
                ScalarQueryParameter("version", "INT64", version.number),
                ArrayQueryParameter("void", "STRING", list(version.void_hashes)),
            ],
        )
