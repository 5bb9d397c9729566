"""The catalog's database: SQLite under the home, or PostgreSQL by CATALOG_DATABASE_URL; one writer at a time, readers that cannot write."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError

from dataproducts import settings
from dataproducts.errors import CatalogUnavailable, ConfigurationError
from dataproducts.secret_references import secret_of

BUSY_SECONDS = 10
_WRITER_LOCK = 7_262_021  # any number of our own: PostgreSQL's advisory lock of catalog writers


def default_url() -> str:
    """CATALOG_DATABASE_URL, or the SQLite file `catalog.db` under the home."""
    url = secret_of("CATALOG_DATABASE_URL")
    if url.startswith("postgres://"):
        url = "postgresql://" + url.removeprefix("postgres://")
    if url.startswith("postgresql://"):
        url = "postgresql+psycopg://" + url.removeprefix("postgresql://")
    return url or f"sqlite:///{settings.home() / 'catalog.db'}"


class Database:
    """Two pools on one database: `reading()` for questions, `writing()` for one transaction at a time.

    Raises ConfigurationError for an address that cannot be one, CatalogUnavailable where the database does not answer, is locked or full.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url or default_url()
        try:
            parsed = sa.make_url(self.url)
        except sa.exc.ArgumentError:
            raise ConfigurationError(
                "CATALOG_DATABASE_URL is not a database address; write it as postgresql://user@host/name or sqlite:///path"
            ) from None
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if not self.is_sqlite and parsed.get_backend_name() != "postgresql":
            raise ConfigurationError(f"CATALOG_DATABASE_URL is of {parsed.get_backend_name()}; the catalog runs on SQLite and PostgreSQL")
        self.path = Path(parsed.database or "") if self.is_sqlite else None
        self._writer = threading.Lock()
        self._writing, self._reading = self._engines(parsed)
        self._migrated = False

    def _engines(self, url: sa.URL) -> tuple[sa.Engine, sa.Engine]:
        if not self.is_sqlite:
            try:
                engine = sa.create_engine(url, pool_pre_ping=True, pool_size=5, max_overflow=10, pool_timeout=BUSY_SECONDS)
            except ModuleNotFoundError:
                raise ConfigurationError("PostgreSQL needs its client; install dataproducts[postgres]") from None
            return engine, engine
        assert self.path is not None
        path = self.path

        def connect(read_only: bool) -> sqlite3.Connection:
            if not read_only:
                path.parent.mkdir(parents=True, exist_ok=True)
            uri = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
            connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
            for pragma in _PRAGMAS + (("query_only=on",) if read_only else ()):
                connection.execute(f"pragma {pragma}")
            return connection

        pool: dict[str, Any] = {"pool_size": 1, "max_overflow": 0, "poolclass": sa.pool.QueuePool, "pool_timeout": BUSY_SECONDS}
        writing = sa.create_engine("sqlite://", creator=lambda: connect(False), **pool)
        reading = sa.create_engine("sqlite://", creator=lambda: connect(True), **{**pool, "pool_size": 4, "max_overflow": 8})
        event.listen(writing, "begin", lambda connection: connection.exec_driver_sql("begin immediate"))
        event.listen(reading, "begin", lambda connection: connection.exec_driver_sql("begin"))
        return writing, reading

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that sees one state throughout and cannot write."""
        self.migrate()
        with _told(), self._reading.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection

    @contextmanager
    def as_it_is(self) -> Iterator[tuple[sa.Connection, str | None]]:
        """As `reading`, with the tables of whichever revision they are, which is given too; None where there are none."""
        with _told(), self._reading.connect() as connection:
            if not self.is_sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            head = self._head(connection)
            refuse_newer(head)
            yield connection, head

    @contextmanager
    def remaking(self) -> Iterator[sa.Connection]:
        """As `writing`, for who makes all tables anew: none are brought to this version of the code before."""
        with _told(), self._writer, self._writing.begin() as connection:
            if not self.is_sqlite:
                connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": _WRITER_LOCK})
            refuse_newer(self._head(connection))
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is committed at the end and rolled back on any error. Writers wait for each other."""
        self.migrate()
        with _told(), self._writer, self._writing.begin() as connection:
            if not self.is_sqlite:  # changes get their numbers in the order they become visible
                connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": _WRITER_LOCK})
            yield connection

    def migrate(self) -> str | None:
        """Bring the tables to this version of the code, once; costs a look where there is nothing to do.

        Gives the version that they were of, None where there were none.
        """
        from dataproducts.catalog.migrations import HEAD, upgrade

        if self._migrated:
            return HEAD
        with self._writer:
            if self._migrated:
                return HEAD
            with _told(), self._writing.begin() as connection:
                if not self.is_sqlite:
                    connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": _WRITER_LOCK})
                found = self._head(connection)
                refuse_newer(found)
                if found != HEAD:
                    upgrade(connection)
            self._migrated = True
        return found

    def _head(self, connection: sa.Connection) -> str | None:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(sa.text("select version_num from alembic_version")).scalar()

    def compact(self) -> None:
        """Write SQLite's file anew, so that nothing stays in it that no table holds any more."""
        if self.is_sqlite:
            with _told(), self._writer, closing(self._writing.raw_connection()) as connection:
                connection.cursor().execute("vacuum")
                connection.cursor().execute("pragma wal_checkpoint(truncate)")

    def close(self) -> None:
        """Give back every connection."""
        self._reading.dispose()
        self._writing.dispose()


def refuse_newer(revision: str | None) -> None:
    """Raise ConfigurationError for tables of a revision that a newer version of ours has made."""
    from dataproducts.catalog.migrations import REVISIONS

    if revision is not None and revision not in REVISIONS:
        raise ConfigurationError(
            f"the catalog's database is of revision {revision}, and this version of dataproducts knows {REVISIONS[-1]} at most; "
            "use the newer version that has upgraded it, or restore a backup from before"
        )


_PRAGMAS = (
    "journal_mode=wal",
    "synchronous=full",
    "foreign_keys=on",
    "temp_store=memory",
    "cache_size=-8000",
    "mmap_size=0",  # what is mapped counts as memory of ours, and searches are no faster for it
)


@contextmanager
def _told() -> Iterator[None]:
    """Trouble of the database as one sentence."""
    try:
        yield
    except sa.exc.TimeoutError:
        raise CatalogUnavailable("the catalog's database is busy; the same again later may succeed") from None
    except (OperationalError, sa.exc.InternalError) as error:
        raise CatalogUnavailable(f"the catalog's database cannot be used just now: {_first(error)}; nothing was stored") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise CatalogUnavailable("the catalog's database closed the connection; the same again may succeed") from error
        raise
    except (sqlite3.OperationalError, OSError) as error:
        raise CatalogUnavailable(f"the catalog's database cannot be used just now: {error}; nothing was stored") from error


def _first(error: DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0][:200]
