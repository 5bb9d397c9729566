"""One run of a SQL dataset: the engine of the environment computes the partitions, all else is as for any dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg

from dataproducts.dataset import Declaration, Run
from dataproducts.sql import duck
from dataproducts.sql.statement import Statement


class SqlRun(Run):
    """One run of a dataset whose rows a query makes."""

    def __init__(self, declaration: Declaration, statement: Statement) -> None:
        super().__init__(declaration, statement)
        assert declaration.query is not None
        self.query = declaration.query

    @contextmanager
    def working(self, context: dg.AssetExecutionContext) -> Iterator[Callable[..., Any]]:
        """The query on one connection, for as long as the run makes partitions."""
        with duck.opened(self.query) as engine:
            yield lambda partition, **chosen: engine.rows(partition, chosen)
