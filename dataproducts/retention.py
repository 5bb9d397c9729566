"""Dagster's event log within bounds: how a run went is forgotten after a time, what it has made and how it ended never is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable as Events

from dataproducts.errors import ConfigurationError

PASSING = (
    None,  # what a run logs in words
    "ENGINE_EVENT",
    "HANDLED_OUTPUT",
    "LOADED_INPUT",
    "LOGS_CAPTURED",
    "RESOURCE_INIT_STARTED",
    "RESOURCE_INIT_SUCCESS",
    "STEP_INPUT",
    "STEP_OUTPUT",
    "STEP_WORKER_STARTED",
    "STEP_WORKER_STARTING",
)
"""Types of events that nothing is derived from once their run has ended. Materializations, observations, checks, failures and the
states of runs stay: Dagster's view of assets, the catalog and the reconciliation are made of them."""
_AT_ONCE = 10_000


def forget(instance: Any, days: int, now: datetime) -> int:
    """Remove passing events older than so many days; gives how many. Others may read and write meanwhile.

    Raises ConfigurationError where Dagster's storage is not PostgreSQL: on one machine it is a file for each run.
    """
    storage = instance.event_log_storage
    if not hasattr(storage, "postgres_url"):
        raise ConfigurationError("Dagster's event log is not on PostgreSQL; `dagster run delete` takes single runs away")
    until = now.astimezone(UTC).replace(tzinfo=None) - timedelta(days=days)  # as Dagster stores it
    removed = 0
    with storage.index_connection() as connection:
        last = connection.execute(sa.select(sa.func.max(Events.c.id)).where(Events.c.timestamp < until)).scalar()
        for kind in PASSING if last is not None else ():
            old = (Events.c.dagster_event_type.is_(None) if kind is None else Events.c.dagster_event_type == kind, Events.c.id <= last)
            some = sa.select(Events.c.id).where(*old, Events.c.timestamp < until).limit(_AT_ONCE)
            while gone := connection.execute(sa.delete(Events).where(Events.c.id.in_(some))).rowcount:
                removed += gone
    return removed
