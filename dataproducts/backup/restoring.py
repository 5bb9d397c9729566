"""Restoring a backup: all of it is checked first, the catalog changes in one transaction, and nobody who is erased comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from dataproducts import settings
from dataproducts.backup import catalog, erasures, folder
from dataproducts.backup.folder import Manifest
from dataproducts.backup.taking import CATALOG, ERASURES, own_database
from dataproducts.catalog import erasure as catalog_erasure
from dataproducts.catalog import tables as t
from dataproducts.catalog.database import Database
from dataproducts.catalog.migrations import REVISIONS, upgrade
from dataproducts.erasure.registry import Registry
from dataproducts.errors import Clash, ConfigurationError


@dataclass(frozen=True)
class Restored:
    """Rows of the catalog, entries in it that an erasure changed on the way, and lines the registry did not have."""

    manifest: Manifest
    rows: int
    erased: int
    lines: int


def restore(held: Path, *, replace: bool = False, say: Callable[[str], None] = lambda text: None) -> Restored:
    """Bring a backup into the catalog's database and the registry of the lake.

    Raises ConfigurationError for a damaged backup or one of a newer version, Clash where the catalog holds something and `replace` does
    not allow to take its place, CatalogUnavailable, HistoryError. The catalog is then as it was.
    """
    manifest = folder.checked(held)
    if manifest.catalog is not None and manifest.catalog not in REVISIONS:
        raise ConfigurationError(
            f"{held} is of a newer catalog, revision {manifest.catalog}; restore it with dataproducts {manifest.dataproducts} or newer"
        )
    say("every part is as it was written")
    database = own_database()
    try:
        if not replace and manifest.catalog is not None and not _is_empty(database):
            raise Clash(f"the catalog at {_shown(database)} is not empty; --replace puts the backup in its place, back that up first")
        part = manifest.part(ERASURES)
        lines = [erasures.line(said) for said in folder.read(held, part)] if part is not None else []
        erasures.refuse_other_key(lines)
        registry = Registry(settings.lake()).refresh()
        erasures.refuse_other_key(registry.lines)
        if missing := erasures.missing(registry, lines):
            registry.add(missing)
            say(f"{len(missing)} lines added to the registry of erasures")
        rows = changed = 0
        if manifest.catalog is not None:
            rows, changed = _catalog(held, manifest, manifest.catalog, database, registry)
            if changed:
                database.compact()
            say(f"{rows} rows of the catalog")
    finally:
        database.close()
    return Restored(manifest, rows, changed, len(missing))


def _catalog(held: Path, manifest: Manifest, revision: str, database: Database, registry: Registry) -> tuple[int, int]:
    """The old rows go and the new ones come in one transaction: whoever is killed in it leaves what there was."""
    rows = 0
    with database.remaking() as connection:
        catalog.clear(connection)
        upgrade(connection, revision)
        for part in manifest.parts:
            if part.name.startswith(f"{CATALOG}/"):
                rows += catalog.fill(connection, Path(part.name).name.removesuffix(".jsonl.gz"), folder.read(held, part))
        upgrade(connection)
        catalog.go_on_counting(connection)
        erased = erasures.obeyed(registry)
        if erased and database.is_sqlite:
            connection.exec_driver_sql("pragma secure_delete=on")
        v = t.version
        touched = {}
        for name in erased:
            kept = connection.execute(sa.select(v.c.partition, v.c.number).where(v.c.dataset == name)).tuples()
            touched[name] = erasures.touched(settings.lake(), registry, name, kept)
        changed = catalog_erasure.erase_in(connection, erased, touched)
        catalog.find_again(connection)
    return rows, changed


def _is_empty(database: Database) -> bool:
    if database.path is not None and not database.path.exists():
        return True
    with database.as_it_is() as (connection, _):
        return catalog.is_empty(connection)


def _shown(database: Database) -> str:
    return str(database.path) if database.path is not None else sa.make_url(database.url).render_as_string(hide_password=True)
