"""Holding what is at BigQuery against the dataset: which versions, how many rows, and on request every value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import polars as pl

from dataproducts.history.content import canonical_order, content_hash
from dataproducts.history.ledger import UNPARTITIONED, Version
from dataproducts.history.store import DatasetHistory
from dataproducts.ports.bigquery.columns import (
    BATCH,
    CONTRACT,
    DAY,
    HASH,
    KNOWN_AT,
    LEDGER_TYPES,
    PARTITION,
    ROWS,
    VERSION,
    arrow_type,
    has_lists,
    kept,
)
from dataproducts.ports.bigquery.connection import Connection, told
from dataproducts.ports.bigquery.reading import quoted
from dataproducts.ports.bigquery.tables import Target
from dataproducts.ports.port import Comparison, Difference

Arrived = dict[tuple[str, int], list[dict[str, Any]]]
"""Lines of the table of versions by (partition, number): one each, or something is wrong."""

_ROWS_AT_ONCE = 200_000


def compare(
    connection: Connection,
    history: DatasetHistory,
    targets: Mapping[int, Target],
    versions: Sequence[Version],
    day: Callable[[Version], date],
    full: bool,
) -> Comparison:
    """Every difference between these versions and what readers see at BigQuery, and versions there that the dataset has never had."""
    found: list[Difference] = []
    rows = 0
    for major, target in sorted(targets.items()):
        mine = [v for v in versions if v.major == major]
        with told(connection, f"when comparing {target.names.rows}"):
            there = _listed(connection, target)
            if there is None:
                found += [Difference(v.partition, v.number, "has not arrived, for there is no table yet") for v in mine]
                continue
            known = {(v.partition, v.number) for v in history.refresh().versions()}  # with what another run delivers meanwhile
            counted = _counted(connection, target, {day(v) for v in mine}, full)
            same: list[Version] = []
            for version in mine:
                key = (version.partition, version.number)
                text = _differs(version, day(version), there.pop(key, []), counted.get(key, []))
                if text:
                    found.append(Difference(version.partition, version.number, text))
                else:
                    same.append(version)
                    rows += version.rows
            found += [Difference(p, n, "is at BigQuery and not in the dataset") for p, n in there if (p, n) not in known]
            if full:
                found += _contents(connection, history, target, same, day)
    said = [Difference(d.partition, d.number, f"{_called(d)} {d.text}") for d in sorted(found, key=lambda d: (d.partition, d.number))]
    return Comparison(len(versions), rows, tuple(said))


def _called(one: Difference) -> str:
    return f"version {one.number}" if one.partition == UNPARTITIONED else f"partition {one.partition} version {one.number}"


def _listed(connection: Connection, target: Target) -> Arrived | None:
    if connection.found_table(target.names.versions) is None or connection.found_table(target.names.rows) is None:
        return None
    arrived: Arrived = {}
    for row in connection.listed(target.names.versions, list(LEDGER_TYPES)):
        arrived.setdefault((row[PARTITION], row[VERSION]), []).append(row)
    return arrived


def _counted(connection: Connection, target: Target, days: set[date], full: bool) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """How many rows each version has of each load; where `full` by all that is said beside them, wherever they lie.

    Else those of the days from the first to the last of these: BigQuery is paid by what it reads.
    """
    from google.cloud.bigquery import ScalarQueryParameter

    if not days:
        return {}
    names = ", ".join([PARTITION, VERSION, BATCH, *((KNOWN_AT, CONTRACT, DAY) if full else ())])
    first, last = (date.min, date.max) if full else (min(days), max(days))
    sql = f"SELECT {names}, COUNT(*) AS found FROM {quoted(target.names.rows)} WHERE {DAY} BETWEEN @first AND @last GROUP BY {names}"
    span = [ScalarQueryParameter("first", "DATE", first), ScalarQueryParameter("last", "DATE", last)]
    counted: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in connection.query(sql, span):
        counted.setdefault((row[PARTITION], row[VERSION]), []).append(dict(row.items()))
    return counted


def _differs(version: Version, day: date, lines: Sequence[Mapping[str, Any]], counted: Sequence[Mapping[str, Any]]) -> str | None:
    if not lines:
        return "has not arrived"
    if len(lines) > 1:
        return f"has arrived {len(lines)} times"
    (line,) = lines
    if line[HASH] != version.content_hash:
        return f"has another content at BigQuery (hash {line[HASH][:12]}, here {version.content_hash[:12]})"
    stamped = {KNOWN_AT: version.known_at, CONTRACT: version.contract, DAY: day}
    if other := _other(line, {**stamped, ROWS: version.rows}):
        return f"stands in the table of versions with {other}"
    there = sum(row["found"] for row in counted if row[BATCH] == line[BATCH])
    if there != version.rows:
        return f"has {there} rows at BigQuery and {version.rows} here"
    if more := sum(row["found"] for row in counted) - there:
        return f"has {more} rows at BigQuery beside those of its load, which the view leaves out"
    if other := next(filter(None, (_other(row, stamped) for row in counted)), None):
        return f"has rows at BigQuery with {other}"
    return None


def _other(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    """What is said of a version otherwise than it should be, of what the row says at all."""
    return next((f"{name} {row[name]} instead of {value}" for name, value in wanted.items() if row.get(name, value) != value), None)


def _contents(
    connection: Connection, history: DatasetHistory, target: Target, versions: Sequence[Version], day: Callable[[Version], date]
) -> Iterator[Difference]:
    """Differences in values. Of lists BigQuery does not keep everything, so where there are some the dataset's own are read likewise."""
    for group in _groups([v for v in versions if v.rows]):
        rows = _read_back(connection, target, group, {day(v) for v in group})
        for version in group:
            own = _own_types(history, target, version)
            mine = rows.filter((pl.col(PARTITION) == version.partition) & (pl.col(VERSION) == version.number))
            found = content_hash([canonical_order(mine.select(list(own)), target.key)], own)
            wanted = version.content_hash
            if any(has_lists(t) for t in own.values()):
                held = _as_at_bigquery(history.collect([version], list(own)), own)
                wanted = content_hash([canonical_order(held, target.key)], own)
            if found != wanted:
                yield Difference(version.partition, version.number, "has other values at BigQuery than here")


def _read_back(connection: Connection, target: Target, versions: Sequence[Version], days: set[date]) -> pl.DataFrame:
    import pyarrow as pa
    from google.cloud.bigquery import ArrayQueryParameter, ScalarQueryParameter

    names = ", ".join(f"held.{quoted(n)}" for n in (*target.dtypes, PARTITION, VERSION))
    sql = (
        f"SELECT {names} FROM {quoted(target.names.rows)} AS held JOIN {quoted(target.names.versions)} AS arrived "
        f"ON held.{PARTITION} = arrived.{PARTITION} AND held.{VERSION} = arrived.{VERSION} AND held.{BATCH} = arrived.{BATCH} "
        f"WHERE held.{DAY} BETWEEN @first AND @last "
        f"AND CONCAT(held.{PARTITION}, ' ', CAST(held.{VERSION} AS STRING)) IN UNNEST(@versions)"
    )
    keys = [f"{v.partition} {v.number}" for v in versions]
    parameters = [
        ScalarQueryParameter("first", "DATE", min(days)),
        ScalarQueryParameter("last", "DATE", max(days)),
        ArrayQueryParameter("versions", "STRING", keys),
    ]
    found = connection.query(sql, parameters).to_arrow(create_bqstorage_client=False)
    dtypes = {**target.dtypes, PARTITION: pl.String(), VERSION: pl.Int64()}
    schema = pa.schema([pa.field(n, arrow_type(t)) for n, t in dtypes.items()])
    read = pl.from_arrow(found.select(list(dtypes)).cast(schema))
    assert isinstance(read, pl.DataFrame)
    return _as_at_bigquery(read, dtypes)


def _as_at_bigquery(rows: pl.DataFrame, dtypes: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Rows with their exact types, and of lists what BigQuery keeps."""
    return rows.with_columns(kept(pl.col(n), t).cast(t).alias(n) for n, t in dtypes.items())


def _own_types(history: DatasetHistory, target: Target, version: Version) -> dict[str, pl.DataType]:
    """The columns that were the version's content when it was committed: those of its file."""
    table = history.table(version.major)
    then = pl.read_parquet_schema(table.absolute(version.files[0]))
    return {name: dtype for name, dtype in table.dtypes.items() if name in then and name in target.dtypes}


def _groups(versions: Sequence[Version]) -> Iterator[list[Version]]:
    held: list[Version] = []
    for version in versions:
        if held and sum(v.rows for v in held) + version.rows > _ROWS_AT_ONCE:
            yield held
            held = []
        held.append(version)
    if held:
        yield held
