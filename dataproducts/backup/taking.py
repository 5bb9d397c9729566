"""Taking a backup while everything is in use: the catalog as it is at one moment, and the registry of erasures after that."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from dataproducts import settings
from dataproducts.backup import catalog, erasures, folder
from dataproducts.backup.folder import FORMAT, Manifest, Part
from dataproducts.catalog.database import Database
from dataproducts.erasure.registry import Registry
from dataproducts.errors import ConfigurationError

CATALOG, ERASURES = "catalog", "erasures.jsonl.gz"


def back_up(into: Path, say: Callable[[str], None] = lambda text: None) -> Manifest:
    """Write a backup to a folder that is not there yet; gives its manifest.

    Raises ConfigurationError where the folder is taken or has no room, CatalogUnavailable, HistoryError.
    """
    database = own_database()
    try:
        with folder.writing(into) as draft:
            parts, revision = _catalog(draft, database, say)
            # the registry comes last: whom it knows by then is kept out of the catalog when that is restored
            registry = Registry(settings.lake()).refresh()
            parts.append(folder.write(draft, ERASURES, erasures.lines(registry)))
            say(f"{parts[-1].lines} lines of the registry of erasures")
            made = Manifest(
                format=FORMAT,
                made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                dataproducts=version("dataproducts"),
                location=settings.location(),
                catalog=revision,
                erasure_key=next((line.key for line in registry.lines), None),
                parts=tuple(parts),
            )
            folder.finish(draft, made)
    finally:
        database.close()
    return made


def own_database() -> Database:
    """The catalog's database. Raises ConfigurationError where the catalog is a service that has its database elsewhere."""
    if os.environ.get("CATALOG_URL") and not os.environ.get("CATALOG_DATABASE_URL"):
        raise ConfigurationError(
            f"the catalog is the service at {os.environ['CATALOG_URL']}; run this where its database is at hand, with CATALOG_DATABASE_URL"
        )
    return Database()


def _catalog(draft: Path, database: Database, say: Callable[[str], None]) -> tuple[list[Part], str | None]:
    if database.path is not None and not database.path.exists():
        say("there is no catalog yet")
        return [], None
    parts = []
    with database.as_it_is() as (connection, revision):
        for name in catalog.names(connection) if revision else ():
            parts.append(folder.write(draft, f"{CATALOG}/{name}.jsonl.gz", catalog.lines(connection, name)))
    say(f"{sum(part.lines for part in parts)} rows of the catalog")
    return parts, revision
