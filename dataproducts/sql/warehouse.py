"""A query as a job at BigQuery, over the tables of its inputs' ports: the rows of exactly the versions that were chosen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dataproducts import settings
from dataproducts.errors import DeclarationError, PartitionUnavailable, PortError, QueryFailed
from dataproducts.history.ledger import Version
from dataproducts.inputs import Chosen
from dataproducts.ports.bigquery import reading
from dataproducts.ports.bigquery.columns import HASH, PARTITION, VERSION
from dataproducts.ports.bigquery.connection import Connection, connected, told
from dataproducts.ports.bigquery.declaration import PROJECT, BigQuery
from dataproducts.ports.bigquery.tables import Target, day_of, target
from dataproducts.ports.port import Offered, OutputPort
from dataproducts.sql import parsing
from dataproducts.sql.query import Query
from dataproducts.sql.types import fitted
from dataproducts.sql.view import chosen as read_by

LOCATION = "europe-north1"


@dataclass(frozen=True)
class Published:
    """An input with its BigQuery port; of a view, which needs none, what it reads in its turn."""

    offered: Offered
    port: BigQuery
    inputs: Mapping[str, Published] = field(default_factory=dict)

    @classmethod
    def of(cls, offered: Offered, ports: tuple[OutputPort, ...], reader: str) -> Published:
        """The input of dataset `reader`. DeclarationError where it has no such port."""
        port = next((port for port in ports if isinstance(port, BigQuery)), None)
        if offered.view is not None:
            inputs = {name: cls.of(read.offered, read.ports, reader) for name, read in offered.view.inputs.items()}
            return cls(offered, port or BigQuery(), inputs)
        if port is None:
            raise DeclarationError(
                f"{reader} is computed at BigQuery, and its input {offered.dataset} is not there; declare ports=[dp.BigQuery()] for that, "
                "or set DATAPRODUCTS_SQL_ENGINE=duckdb"
            )
        return cls(offered, port)


class Warehouse:
    """A connection to BigQuery for the partitions of one run. `published` are the query's inputs, by name."""

    def __init__(self, query: Query, published: Mapping[str, Published], connection: Connection) -> None:
        self._query = query
        self._published = published
        self._connection = connection
        self._arrived: dict[str, dict[tuple[str, int], str]] = {}  # by dataset

    def rows(self, partition: str, chosen: Mapping[str, Chosen]) -> Iterator[pl.DataFrame]:
        """The query's rows, of the contract's types, in batches.

        Raises PartitionUnavailable where a chosen version has not arrived at BigQuery, QueryFailed where the job cannot compute a value or
        would read more than it may, PortError or PortUnavailable where BigQuery does not answer.
        """
        from google.api_core.exceptions import BadRequest, Forbidden
        from google.cloud import bigquery

        query = self._query
        parameters: list[Any] = []
        sql = self._statement(query, self._published, chosen, parameters)
        if query.takes_partition:
            parameters.append(bigquery.ScalarQueryParameter(parsing.PARTITION, "STRING", partition))
        product, dataset = query.contract.dataset.split("/")
        limit = settings.maximum_bytes_billed()
        config = bigquery.QueryJobConfig(
            query_parameters=parameters,
            maximum_bytes_billed=limit,
            labels={"managed-by": "dataproducts", "product": product, "dataset": dataset},
        )
        where = f"{query.contract.dataset}, partition {partition!r}" if partition != "-" else query.contract.dataset
        with told(self._connection, f"when computing {where}"):
            try:
                for batch in self._connection.compute(sql, config).to_arrow_iterable():
                    yield fitted(batch, query.contract, where)
            except (BadRequest, Forbidden) as error:
                raise self._failure(error, sql, where, limit) from error

    def _statement(
        self,
        query: Query,
        published: Mapping[str, Published],
        chosen: Mapping[str, Chosen],
        parameters: list[Any],
        partition: str | None = None,
    ) -> str:
        """The author's text with every input as a WITH before it; `parameters` get those that say which versions of each.

        `partition` is that of a view, whose query stands within another's.
        """
        called = {query.names[reference]: up for reference, up in query.references.items()}
        tables = []
        for table, upstream in sorted(called.items()):
            columns = ", ".join(reading.quoted(n) for n in upstream.contract.names)
            inner = self._input(published[upstream.name], chosen[upstream.name], parameters)
            tables.append(f"{reading.quoted(table)} AS (SELECT {columns} FROM ({inner}))")
        text = query.bare if partition is None else query.bare_of(partition)
        return f"{_with(tables)}SELECT * FROM (\n{text}\n)"

    def _input(self, published: Published, chosen: Chosen, parameters: list[Any]) -> str:
        """SQL of the chosen versions of an input; of a view, its query over those that it reads."""
        from google.cloud import bigquery

        parts = []
        view, stored = published.offered.view, tuple(v for v in chosen.versions if not v.is_view)
        if view is None or stored:
            there = self._target(published, chosen)
            self._refuse_missing(published, there, stored)
            parameter = f"chosen_{len(parameters)}"
            parameters.append(bigquery.ArrayQueryParameter(parameter, "STRING", [f"{v.partition} {v.number}" for v in stored]))
            days = sorted(map(day_of(published.offered.partitions), stored))
            span = (days[0], days[-1]) if days else None
            names = there.names
            parts.append(reading.of_versions(there.kind, list(there.dtypes), there.key, names.rows, names.versions, parameter, span))
        for version in chosen.versions:
            if view is not None and version.is_view:
                by_table = read_by(version)
                read = {upstream.name: by_table[table] for table, upstream in view.query.tables.items()}
                inner = self._statement(view.query, published.inputs, read, parameters, version.partition)
                parts.append(f"SELECT {', '.join(map(reading.quoted, view.query.contract.names))} FROM ({inner})")
        return parts[0] if len(parts) == 1 else " UNION ALL ".join(f"({part})" for part in parts)

    def _target(self, published: Published, chosen: Chosen) -> Target:
        names = published.port.names(published.offered, published.offered.contract.version.major)
        return target(published.port, published.offered, names, chosen.input.history())

    def _refuse_missing(self, published: Published, there: Target, given: tuple[Version, ...]) -> None:
        name = published.offered.dataset
        if name not in self._arrived or any((v.partition, v.number) not in self._arrived[name] for v in given):
            with told(self._connection, f"when reading {there.names.versions}"):
                exists = self._connection.found_table(there.names.versions) is not None
                listed = self._connection.listed(there.names.versions, [PARTITION, VERSION, HASH]) if exists else []
            self._arrived[name] = {(row[PARTITION], row[VERSION]): row[HASH] for row in listed}
        for version in given:
            found = self._arrived[name].get((version.partition, version.number))
            which = f"version {version.number} of partition {version.partition!r}"
            if found is None:
                port = published.port.name
                raise PartitionUnavailable(
                    f"{version.dataset}: {which} has not arrived at BigQuery, where {self._query.contract.dataset} is computed; "
                    f"materialize {version.dataset}/{port} first"
                )
            if found != version.content_hash:
                raise PortError(f"{version.dataset}: BigQuery has another content as {which}; run `dataproducts reconcile`")

    def _failure(self, error: Any, sql: str, where: str, limit: int) -> QueryFailed:
        text = self._query.text
        reasons = {str(e.get("reason")) for e in getattr(error, "errors", None) or [] if isinstance(e, Mapping)}
        said = " ".join(str(getattr(error, "message", error)).split("\n\nLocation:")[0].split())
        said = re.sub(r"^(GET|POST) \S+: ", "", said).split("; reason:")[0].rstrip(".")
        if "bytesBilledLimitExceeded" in reasons or "bytes billed" in said.lower():
            return QueryFailed(
                f"{text.path}: the query would read more than the {limit:,} bytes it may, in {where}; "
                "read fewer columns or partitions, or raise DATAPRODUCTS_SQL_MAXIMUM_BYTES_BILLED"
            )
        place = str(text.path)
        if at := re.search(r"\s*at \[(\d+):(\d+)\]", said):
            line = int(at[1]) - sql[: sql.index(self._query.bare)].count("\n")
            place, said = f"{place}:{max(1, line)}:{at[2]}", said.replace(at[0], "")
        if "division by zero" in said.lower():
            return QueryFailed(f"{place}: division by zero, in {where}; write SAFE_DIVIDE, or NULLIF around the divisor")
        if any(c.is_personal for up in self._query.tables.values() for c in up.contract.columns):
            said = "a value cannot be computed"
        return QueryFailed(f"{place}: BigQuery says: {said}, in {where}; correct the query, or what it reads")


@contextmanager
def opened(query: Query, published: Mapping[str, Published], resource: Any) -> Iterator[Warehouse]:
    """Connect with the resource "bigquery"."""
    project = settings.required(PROJECT, "the project whose BigQuery computes SQL datasets")
    location = next((p.port.location for p in published.values()), LOCATION)
    with connected(resource, query.contract.dataset, project, location) as connection:
        yield Warehouse(query, published, connection)


def _with(tables: list[str]) -> str:
    return f"WITH {', '.join(tables)} " if tables else ""
