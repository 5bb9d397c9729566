"""Dagster's event log on PostgreSQL, with the tables and by the connections that dagster-postgres has; that package is not needed for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from dagster import StringSource
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage, SqlEventLogStorageMetadata


class ServerEventLogStorage(ConsolidatedSqliteEventLogStorage):
    """All events of all runs in one database of a server."""

    def __init__(self, url: str, inst_data: Any = None) -> None:
        # each statement for itself: where an asset is known already Dagster's insert fails, and the transaction would with it
        self._engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        self._secondary_index_cache: dict[str, bool] = {}
        self._inst_data = inst_data
        self._watchers: Any = defaultdict(dict)
        self._obs = None
        SqlEventLogStorageMetadata.create_all(self._engine)
        self.reindex_events()
        self.reindex_assets()

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        return {"url": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> ServerEventLogStorage:
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self) -> Iterator[sa.Connection]:
        with self._engine.connect() as connection, connection.begin():
            yield connection

    def has_table(self, table_name: str) -> bool:
        return bool(sa.inspect(self._engine).has_table(table_name))


def held(url: str, value: str) -> list[str]:
    """The tables of a database in which a value stands anywhere."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        names = sa.inspect(engine).get_table_names()
        return [name for name in names if any(value in str(row) for row in connection.execute(sa.text(f"select * from {name}")))]
