"""Dagster's storage on PostgreSQL: its own tables, over a connection that is kept open for the event log.

Dagster connects anew for every statement, and the server starts a process for each: half of what a run with many checks takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config

if TYPE_CHECKING:
    from dagster_postgres.auth import PgTokenProvider


class ServerEventLog(PostgresEventLogStorage):
    """Holds one connection; what is needed beside it at the same time comes and goes. One that the server has closed is replaced."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: PgTokenProvider | None = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data, token_provider)
        self._tables: set[str] = set()
        pool: dict[str, Any] = {"pool_size": 1, "max_overflow": -1, "pool_pre_ping": True}
        self._engine: sa.Engine = create_pg_engine(postgres_url, token_provider, isolation_level="AUTOCOMMIT", **pool)

    def has_table(self, table_name: str) -> bool:
        """Asked with every check; a table that is there stays."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        """Let go of the connection."""
        super().dispose()
        self._engine.dispose()


class PostgresStorage(DagsterPostgresStorage):
    """For `storage: {custom: {module: dataproducts.postgresql, class: PostgresStorage, config: ...}}` in dagster.yaml.

    The configuration is that of Dagster's own. Its SQL is for psycopg2, which is what an address without a client's name gets.
    """

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
        token_provider: PgTokenProvider | None = None,
    ) -> None:
        url = postgres_url.replace("postgresql://", "postgresql+psycopg2://", 1)
        super().__init__(url, should_autocreate_tables, inst_data, token_provider)
        self._event_log_storage = ServerEventLog(url, should_autocreate_tables, token_provider=token_provider)

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> PostgresStorage:  # type: ignore[override]
        """Of dagster.yaml."""
        return cls(
            pg_url_from_config(config_value),
            config_value.get("should_autocreate_tables", True),
            inst_data,
            get_token_provider_from_config(config_value),
        )
