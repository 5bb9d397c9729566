"""Dagster's event log on one machine: its own SQLite files, over connections that are kept open.

Dagster opens a file for each event, waits for the disk, and closes it, which puts SQLite's journal away: most of what a run with some
hundred checks takes. Every event still is a transaction of its own: a process that is killed loses none, a machine that loses its power
may lose the last moments, as it may of the lake's files.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData

from dataproducts import settings

RUNS_OPEN = 8
"""Each run has a file of its own; so many of them are kept open beside the index of all."""


class LocalEventLog(SqliteEventLogStorage):
    """Lies where Dagster's own storage lies in Dagster's home, and reads what that has written."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        self._tables: set[str] = set()
        super().__init__(str(settings.dagster() / "history" / "runs"), inst_data)

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """No settings."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> LocalEventLog:  # type: ignore[override]
        """Of dagster.yaml, which has no more to say: a home that is moved is found where it is."""
        return cls(inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock, self._engine(shard).begin() as connection:
            yield connection

    def _engine(self, shard: str) -> sa.Engine:
        if shard not in self._engines:
            engine = sa.create_engine(self.conn_string_for_shard(shard), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
            sa.event.listen(engine, "connect", lambda connection, _: connection.execute("pragma synchronous = normal"))
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        runs = [name for name in self._engines if name != INDEX_SHARD_NAME]
        for name in runs[:-RUNS_OPEN]:
            self._engines.pop(name).dispose()
        return self._engines[shard]

    def has_table(self, table_name: str) -> bool:
        """Asked with every check; a table that is there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def store_event(self, event: EventLogEntry) -> None:
        """Store it, and wake who watches the run: the change is in SQLite's journal, and Dagster watches the file beside it."""
        super().store_event(event)
        os.utime(self.path_for_shard(event.run_id))

    def wipe(self) -> None:
        """Delete every run's file."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close all files."""
        super().dispose()
        self._close()

    def _close(self) -> None:
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()
