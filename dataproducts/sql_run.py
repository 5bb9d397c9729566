"""One run of a SQL dataset: the engine of the environment computes the partitions, all else is as for any dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import dagster as dg

from dataproducts import settings
from dataproducts.dataset import Declaration, Run, pairs
from dataproducts.errors import DataProductsError, PortUnavailable
from dataproducts.history.ledger import THROUGH, VIEW, Version, read_through
from dataproducts.port_asset import offered
from dataproducts.sql import duck, view
from dataproducts.sql.query import remember
from dataproducts.sql.statement import Statement


class SqlRun(Run):
    """One run of a dataset whose rows a query makes: in DuckDB, or at BigQuery where DATAPRODUCTS_SQL_ENGINE says so."""

    def __init__(self, declaration: Declaration, statement: Statement) -> None:
        super().__init__(declaration, statement)
        assert declaration.query is not None
        self.statement, self.query = statement, declaration.query
        self.engine = settings.sql_engine()
        self.is_view = declaration.view is not None
        if self.engine == "bigquery":
            self.resources = {*self.resources, "bigquery"}

    def noted(self, partition: str, read: Sequence[tuple[str, Sequence[Version]]]) -> dict[str, Any]:
        """Of a view also the query, with which it is read from then on."""
        if not self.is_view:
            return super().noted(partition, read)
        d = self.declaration
        follows = {name: i.follows(partition, d.partitions) for name, i in d.inputs.items()}
        through = read_through([v for _, versions in read for v in versions])
        return {"inputs": pairs(read), VIEW: view.noted(self.query, follows), THROUGH: through}

    @contextmanager
    def working(self, context: dg.AssetExecutionContext) -> Iterator[Callable[..., Any]]:
        """The query on one connection, for as long as the run makes partitions."""
        with ExitStack() as stack:
            try:
                rows = self._engine(context, stack)
            except DataProductsError as error:
                raise dg.Failure(str(error), allow_retries=isinstance(error, PortUnavailable)) from error
            remember()
            yield lambda partition, **chosen: rows(partition, chosen)

    def _engine(self, context: dg.AssetExecutionContext, stack: ExitStack) -> Callable[..., Any]:
        if self.engine == "duckdb":
            return stack.enter_context(duck.opened(self.query)).rows
        from dataproducts.sql import warehouse

        reader, read = self.declaration.contract.dataset, self.statement.read()
        published = {key: warehouse.Published.of(offered(dataset.declaration), dataset.ports, reader) for key, dataset in read.items()}
        return stack.enter_context(warehouse.opened(self.query, published, context.resources.bigquery)).rows
