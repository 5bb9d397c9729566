"""The catalog as its web application sees it: the store, where it is, who may write, and its limits."""

from __future__ import annotations

import os
import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dataproducts.catalog import tables as t
from dataproducts.catalog.database import Database
from dataproducts.catalog.store import Store
from dataproducts.errors import ConfigurationError
from dataproducts.formats.addresses import Addresses

BASE_URL, DAGSTER_URL = "http://localhost:8080", "http://localhost:3000"
VARIABLES = {
    "CATALOG_DATABASE_URL": "Where the catalog is kept: `postgresql://user@host/name`, or `sqlite:///path`.",
    "CATALOG_BASE_URL": "The address that people and documents use for the catalog, without a slash at the end.",
    "CATALOG_DAGSTER_URL": "The address of Dagster's pages, which datasets link to.",
    "CATALOG_USER_HEADER": "The header in which a proxy says who is signed in; it opens the forms. The proxy has to remove others' own.",
    "CATALOG_RATE_LIMIT": "Searches and writes a second that one client may ask for on average; `0` is no limit.",
}
"""Every environment variable that the web application reads, and what it means."""
RATE = 30.0
_SHOWS = re.compile(r"/datasets/([a-z0-9_]+/[a-z0-9_]+)(?:/columns/(.+))?|/entries/(.+)")


@dataclass(frozen=True)
class Limits:
    """What one request, and one client, may ask for. Bytes, requests a second, and requests at once after a pause."""

    message: int = 1_000_000
    batch: int = 8_000_000
    form: int = 100_000
    query: int = 8_000
    rate: float = RATE  # 0 is no limit
    burst: float = 10 * RATE


@dataclass(frozen=True)
class Catalog:
    """What every page and answer has at hand, as `request.app.state.catalog`.

    `base_url`: where people find the catalog; the only source of absolute addresses. `user_header`: the header in which a proxy says
    who asks. `local`: on one's own machine, where forms may be written by a typed name.
    """

    database: Database
    store: Store
    base_url: str = BASE_URL
    dagster_url: str = DAGSTER_URL
    user_header: str | None = None
    local: bool = False
    limits: Limits = Limits()
    views: Views = field(init=False)

    def __post_init__(self) -> None:
        for name in ("base_url", "dagster_url"):
            object.__setattr__(self, name, _address(name, getattr(self, name)))
        if self.user_header is not None and not re.fullmatch(r"[A-Za-z0-9-]{1,100}", self.user_header):
            raise ConfigurationError(f"CATALOG_USER_HEADER is {self.user_header!r}, which is no header; write it as X-Forwarded-User")
        object.__setattr__(self, "views", Views(self.store))

    @classmethod
    def of(cls, database: Database, *, local: bool = False, port: int = 8080, limits: Limits | None = None) -> Catalog:
        """The catalog on a database with what the environment says; where it says no address, that of this machine and a port.

        Raises ConfigurationError for a variable that is wrong.
        """
        return cls(
            database,
            Store(database),
            base_url=os.environ.get("CATALOG_BASE_URL") or f"http://localhost:{port}",
            dagster_url=os.environ.get("CATALOG_DAGSTER_URL") or DAGSTER_URL,
            user_header=os.environ.get("CATALOG_USER_HEADER") or None,
            local=local,
            limits=limits or _limits(),
        )

    @property
    def addresses(self) -> Addresses:
        """Absolute addresses of what the catalog shows."""
        return Addresses(self.base_url)

    def sought(self, text: str) -> str:
        """What a search is for. A page's whole address, pasted, is for the name of what the page shows."""
        address = text.strip()
        if not address.startswith(f"{self.base_url}/"):
            return text
        path = re.sub(r"\.(json|jsonld|ttl)$", "", unquote(urlsplit(address[len(self.base_url) :]).path))
        shown = _SHOWS.match(path)
        return "/".join(name for name in shown.groups() if name) if shown else path

    @property
    def now(self) -> datetime:
        """The time of day in UTC."""
        return self.store.clock()

    @property
    def origin(self) -> str:
        """Scheme, host and port of `base_url`, as browsers send it."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}".lower()


class Views:
    """How often a thing was looked at on a day: never by whom. Kept in memory until `flush`."""

    MOST = 50_000
    """Subjects remembered between flushes; views of more than these are not counted."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._counted: Counter[tuple[str, str]] = Counter()

    def count(self, subject: str) -> None:
        """One more view of a subject today."""
        key = (subject, self._store.clock().date().isoformat())
        with self._lock:
            if key in self._counted or len(self._counted) < self.MOST:
                self._counted[key] += 1

    def flush(self) -> int:
        """Write down what was counted; gives how many subjects. What cannot be written is kept for the next time."""
        with self._lock:
            counted, self._counted = self._counted, Counter()
        if not counted:
            return 0
        rows = [{"subject": subject, "day": day, "views": views} for (subject, day), views in sorted(counted.items())]
        try:
            with self._store.database.writing() as connection:
                insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(t.usage)
                more = {"views": t.usage.c.views + insert.excluded.views}
                connection.execute(insert.on_conflict_do_update(index_elements=["subject", "day"], set_=more), rows)
        except BaseException:
            with self._lock:
                self._counted.update(counted)
            raise
        return len(rows)

    def of_today(self, connection: sa.Connection, subject: str) -> int:
        """Views of a subject today that are written down."""
        u, day = t.usage, self._store.clock().date().isoformat()
        return connection.execute(sa.select(u.c.views).where(u.c.subject == subject, u.c.day == day)).scalar() or 0


def _address(name: str, given: str) -> str:
    try:
        parts = urlsplit(given)
        proper = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.fragment
        proper = proper and not re.search(r'[\s<>"\\@\x00-\x1f]', given) and (parts.port is None or parts.port > 0)
    except ValueError:
        proper = False
    if not proper:
        raise ConfigurationError(f"CATALOG_{name.upper()} is {given!r}; write an address such as https://catalog.example.com")
    return given.rstrip("/")


def _limits(environment: Mapping[str, str] = os.environ) -> Limits:
    given = environment.get("CATALOG_RATE_LIMIT") or str(RATE)
    if not re.fullmatch(r"\d{1,6}(\.\d{1,3})?", given):
        raise ConfigurationError(f"CATALOG_RATE_LIMIT is {given!r}; write requests a second as 30, or 0 for no limit")
    return Limits(rate=float(given), burst=10 * float(given))
