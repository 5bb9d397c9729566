"""Which catalog a code location publishes to: the service at CATALOG_URL, or the one embedded here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dataproducts import settings
from dataproducts.messages import Target

if TYPE_CHECKING:
    from dataproducts.publication.http import HttpTarget


def target() -> Target:
    """The catalog at CATALOG_URL with CATALOG_TOKEN, or else the one on the catalog's database. Made when first needed: it connects."""
    if os.environ.get("CATALOG_URL", ""):
        return service()
    from dataproducts.catalog.database import Database
    from dataproducts.catalog.store import EmbeddedTarget, Store

    database = Database()
    database.migrate()
    return EmbeddedTarget(Store(database))


def service() -> HttpTarget:
    """The catalog at CATALOG_URL with CATALOG_TOKEN."""
    from dataproducts.publication.http import HttpTarget

    url = os.environ["CATALOG_URL"]
    return HttpTarget(url, settings.required("CATALOG_TOKEN", f"the token with which {url} lets this location publish"))
