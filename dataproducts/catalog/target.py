"""Which catalog a code location publishes to: the service at CATALOG_URL, or the one embedded here."""

from __future__ import annotations

import os

from dataproducts import settings
from dataproducts.messages import Target


def target() -> Target:
    """The catalog at CATALOG_URL with CATALOG_TOKEN, or else the one on the catalog's database. Made when first needed: it connects."""
    if url := os.environ.get("CATALOG_URL", ""):
        from dataproducts.publication.http import HttpTarget

        return HttpTarget(url, settings.required("CATALOG_TOKEN", f"the token with which {url} lets this location publish"))
    from dataproducts.catalog.database import Database
    from dataproducts.catalog.store import EmbeddedTarget, Store

    database = Database()
    database.migrate()
    return EmbeddedTarget(Store(database))
