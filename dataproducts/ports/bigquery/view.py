"""A view at BigQuery: the author's SELECT over what its inputs show there, with the contract's descriptions. No rows leave for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataproducts.errors import DeclarationError
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.ports.bigquery import provisioning, reading
from dataproducts.ports.bigquery.connection import Connection, told
from dataproducts.ports.bigquery.tables import Names, Target, target
from dataproducts.ports.port import Batch, Comparison, Delivered, Difference, Facts, Offered, Removed

if TYPE_CHECKING:
    from dataproducts.erasure.subjects import Erased
    from dataproducts.ports.bigquery.declaration import BigQuery


def check(offered: Offered) -> None:
    """Raise DeclarationError where BigQuery has no such view."""
    if offered.partitions is not None:
        raise DeclarationError(
            f"{offered.dataset} is a view with partitions, and a view at BigQuery has no partitions; leave them out, or store the rows "
            "with materialized='table'"
        )
    sources(offered)


def sources(offered: Offered) -> dict[str, Names]:
    """Where its inputs are at BigQuery, by their names in the query. DeclarationError for one that is not there."""
    from dataproducts.ports.bigquery.declaration import BigQuery

    assert offered.view is not None
    query, found = offered.view.query, {}
    for reference, upstream in query.references.items():
        read = offered.view.inputs[upstream.name]
        port = next((port for port in read.ports if isinstance(port, BigQuery)), None)
        if port is None:
            raise DeclarationError(
                f"{offered.dataset} is a view at BigQuery, and its input {read.offered.dataset} is not at BigQuery; declare "
                "ports=[dp.BigQuery()] for that too"
            )
        found[query.names[reference]] = port.names(read.offered)
    return found


def statement(offered: Offered) -> str:
    """The view's SQL: the author's text as it was written, with each input's own view before it."""
    assert offered.view is not None
    query = offered.view.query
    called = {query.names[reference]: up.contract for reference, up in query.references.items()}
    tables = [
        f"{reading.quoted(name)} AS (SELECT {', '.join(map(reading.quoted, called[name].names))} FROM {reading.quoted(names.view)})"
        for name, names in sorted(sources(offered).items())
    ]
    before = f"WITH {', '.join(tables)} " if tables else ""
    return f"{before}SELECT {', '.join(map(reading.quoted, offered.contract.names))} FROM (\n{query.bare}\n)"


class ViewSession:
    """The port of a view, opened for one run. A version has arrived when the view at BigQuery is its query."""

    def __init__(self, port: BigQuery, offered: Offered, history: DatasetHistory, connection: Connection) -> None:
        self._offered = offered
        self._connection = connection
        self._sql = statement(offered)
        self._target: Target = target(port, offered, port.names(offered), history)

    def prepare(self) -> None:
        """Create the dataset where there is none."""
        provisioning.dataset_location(self._connection, self._target.names, dict(self._target.labels))

    def next_batch(self, delivered: Delivered, versions: Sequence[Version]) -> Sequence[Version]:
        """The newest version of the present major, where the view is not its query yet: nobody would see those before it."""
        own = [v for v in versions if v.major == self._offered.contract.version.major]
        newest = max(own, key=lambda v: v.number, default=None)
        if newest is None or ((newest.partition, newest.number) in delivered.versions and self._is_there()):
            return []
        return [newest]

    def deliver(self, batch: Batch, delivered: Delivered) -> Facts:
        """Create the view, or give it the query as it is now."""
        provisioning.view(self._connection, self._target, self._sql)
        return {"view": self._target.names.view, "versions": len(batch.versions)}

    def compare(self, versions: Sequence[Version], full: bool) -> Comparison:
        """Whether the view is there with the query as it is; what it reads is compared where it is delivered."""
        newest = max(versions, key=lambda v: (v.major, v.number))
        if self._is_there():
            return Comparison(len(versions), 0)
        text = f"{newest.dataset}: the view {self._target.names.view} at BigQuery is not there with the query it was checked with"
        return Comparison(len(versions), 0, (Difference(newest.partition, newest.number, f"{text}; materialize the port"),))

    def erase(self, erased: Erased) -> Removed:
        """It shows what its inputs hold, and they are erased from themselves."""
        return Removed(0)

    def _is_there(self) -> bool:
        with told(self._connection, f"when looking for the view {self._target.names.view}"):
            found = self._connection.found_table(self._target.names.view)
        return found is not None and found.view_query == self._sql
