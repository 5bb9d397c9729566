"""A SQL dataset from the lake to the lake, and declaring a thousand of them.

Floor: the bare DuckDB query over the same files, and a commit of what it gives; sqlglot's parse of the same texts.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from time import perf_counter

import duckdb
import pandera.polars as pa
import polars as pl

import dataproducts as dp
from benchmarks.measurement import Comparison, Size, by_turns, lake_at, scratch
from benchmarks.peers import Peers
from benchmarks.sales import contract, sales
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.inputs import Chosen, Input
from dataproducts.materialization import Limits, Materializer
from dataproducts.sql import duck, query
from dataproducts.sql.query import Query, Upstream, checked
from dataproducts.sql.text import SqlText

ROWS = {"small": 20_000, "full": 8_000_000}
FILES = {"small": 20, "full": 1_000}

_SQL = """\
-- Sales per municipality and month.
WITH dated AS (
  SELECT municipality, DATE_TRUNC(sold_on, MONTH) AS month, employees, amount
  FROM {from_}
  WHERE employees IS NULL OR employees >= 5
)
SELECT municipality, month, COUNT(*) AS sales, SUM(employees) AS employees, MIN(amount) AS least, MAX(amount) AS most
FROM dated
GROUP BY municipality, month
"""


class Monthly(pa.DataFrameModel):
    """Sales per municipality and month."""

    municipality: str = dp.column("Where.")
    month: pl.Date = dp.column("When.")
    sales: int = dp.column("How many.", ge=0)
    employees: int = dp.column("Of the sellers.", nullable=True)
    least: float = dp.column("The smallest sale.", ge=0)
    most: float = dp.column("The largest sale.", ge=0)


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """Rows are committed beforehand; each round makes a dataset that was not there."""
    rows = ROWS[size]
    promised = dp.Contract.of(Monthly, dataset="benchmark/monthly", key=["municipality", "month"])
    statement = _query(_SQL.replace("{from_}", "{{ sales }}"), promised)
    with scratch() as lake:
        history = DatasetHistory(str(lake), contract().dataset)
        history.commit([Draft.of("-", sales(rows), contract())], contract())
        (version,) = history.versions()
        files = [history.table(1).absolute(path) for path in version.files]
        taken = by_turns(rounds, {"ours": lambda: _ours(lake, statement), "floor": lambda: _floor(files, promised)})
    number = FILES[size]
    contestants = {"ours": lambda: _declared(number, promised), "again": lambda: _again(number, promised), "floor": lambda: _parsed(number)}
    declared = by_turns(rounds, contestants)
    return [
        Comparison(
            name="sql",
            what=f"a SQL dataset of {rows:,} rows grouped: query, validate, hash and commit",
            ours=taken["ours"],
            floor=taken["floor"],
            floor_is="the bare DuckDB query over the same file + a commit",
            target=1.3,
            rounds=rounds,
        ),
        Comparison(
            name="sql declare",
            what=f"check {number:,} queries against their contracts, with types and lineage",
            ours=declared["ours"],
            floor=declared["floor"],
            floor_is="sqlglot parses the same texts",
            target=10.0,
            target_is_seconds=True,
            rounds=rounds,
        ),
        Comparison(
            name="sql declare again",
            what=f"the same {number:,} queries in a process that begins after a run",
            ours=declared["again"],
            floor=declared["floor"],
            floor_is="sqlglot parses the same texts",
            target=1.0,
            target_is_seconds=True,
            rounds=rounds,
        ),
    ]


def _query(text: str, promised: dp.Contract) -> Query:
    return checked(SqlText(Path("monthly.sql"), text), {"sales": Upstream("sales", contract())}, promised, partitioned=False)


def _ours(lake: Path, statement: Query) -> float:
    with scratch() as made, lake_at(lake):
        start = perf_counter()
        upstream = Input(contract(), None)
        materializer = Materializer(str(made), statement.contract, Limits(), run="run", log=logging.getLogger())
        with duck.opened(statement) as engine:
            report = materializer.materialize(
                ["-"], lambda partition: engine.rows(partition, {"sales": Chosen(upstream, tuple(upstream.choose(partition, None)))})
            )
        seconds = perf_counter() - start
        committed = report.outcomes["-"].committed
        assert committed is not None, report.outcomes["-"].error
        assert committed.version.rows > 1_000
    return seconds


def _floor(files: list[str], promised: dp.Contract) -> float:
    """The same query as one would write it for DuckDB."""
    sql = _SQL.replace("{from_}", f"read_parquet({files!r})").replace("DATE_TRUNC(sold_on, MONTH)", "DATE_TRUNC('month', sold_on)")
    with scratch() as made:
        start = perf_counter()
        with duckdb.connect() as connection:
            rows: pl.DataFrame = connection.sql(sql.replace("SUM(employees)", "SUM(employees)::BIGINT")).pl()
        history = DatasetHistory(str(made), promised.dataset)
        (committed,) = history.commit([Draft.of("-", rows.cast(dict(promised.dtypes)), promised)], promised)  # type: ignore[arg-type]
        seconds = perf_counter() - start
        assert committed.version.rows > 1_000
    return seconds


def _texts(number: int, name: str) -> list[str]:
    """No two alike, for what has been checked is not checked again."""
    return [_SQL.replace("{from_}", name) + f"-- {n}\n" for n in range(number)]


def _declared(number: int, promised: dp.Contract) -> float:
    query._KNOWN.clear()
    start = perf_counter()
    for text in _texts(number, "{{ sales }}"):
        _query(text, promised)
    return perf_counter() - start


def _again(number: int, promised: dp.Contract) -> float:
    """What the last turn has checked, remembered under a home of its own."""
    before = os.environ.get("DATAPRODUCTS_HOME")
    with scratch() as home:
        os.environ["DATAPRODUCTS_HOME"] = str(home)
        try:
            query.remember()
            return _declared(number, promised)
        finally:
            del os.environ["DATAPRODUCTS_HOME"]
            if before is not None:
                os.environ["DATAPRODUCTS_HOME"] = before


def _parsed(number: int) -> float:
    import sqlglot

    start = perf_counter()
    for text in _texts(number, "sales"):
        sqlglot.parse_one(text, read="bigquery")
    return perf_counter() - start
