"""Dagster's storage made quick for tests: the same SQLite and the same code, without what it does again each time.

On SQLite every statement makes an engine of its own and so compiles its SQL anew, every new database reads all of Dagster's migrations,
and every commit waits for the disk. Here a file has one engine, migrations are read once, and only a power cut could do harm.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any


def quicken() -> None:
    """For every instance that this process makes from now on."""
    from alembic.script import ScriptDirectory
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.runs.sqlite import sqlite_run_storage
    from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage

    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        module.create_engine = _engine
    read, known = ScriptDirectory.from_config, {}

    def scripts(config: Any) -> ScriptDirectory:
        folder = config.get_main_option("script_location")
        if folder not in known:
            known[folder] = read(config)
        return known[folder]

    ScriptDirectory.from_config = scripts


def _engine(url: str, *, poolclass: Any, connect_args: dict[str, Any] | None = None) -> Any:
    return _engine_of(url, poolclass, tuple((connect_args or {}).items()))


@lru_cache(maxsize=64)
def _engine_of(url: str, poolclass: Any, connect_args: tuple[tuple[str, Any], ...]) -> Any:
    import sqlalchemy as sa

    engine = sa.create_engine(url, poolclass=poolclass, connect_args=dict(connect_args))
    sa.event.listen(engine, "connect", lambda connection, _: connection.execute("pragma synchronous=off"))
    return engine
