"""The synthetic accounting system: the world's books in a database of its own, brought up to the day that is shown."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from assets.fist.sandbox.world import OSLO, Change, World
from dataproducts import settings

VARIABLE = "FIST_DATABASE_URL"
EVERY = 30.0
"""Seconds between looks at the clock, when it is followed."""

_money = sa.Numeric(18, 2).with_variant(sa.String(24), "sqlite")  # SQLite would make it a binary fraction
_time = sa.DateTime(timezone=True)  # SQLite keeps the text of the time in UTC
_schema = sa.MetaData()

_TABLES = {
    "konto": sa.Table(
        "konto", _schema,
        sa.Column("kontonummer", sa.String(4), primary_key=True), sa.Column("navn", sa.String(80), nullable=False),
        sa.Column("kontoklasse", sa.Integer, nullable=False), sa.Column("kontotype", sa.String(20), nullable=False),
        sa.Column("mva_kode", sa.String(2), nullable=False), sa.Column("aktiv", sa.Boolean, nullable=False),
        sa.Column("endret", _time, nullable=False),
    ),
    "kostnadssted": sa.Table(
        "kostnadssted", _schema,
        sa.Column("kostnadssted", sa.String(10), primary_key=True), sa.Column("navn", sa.String(80), nullable=False),
        sa.Column("overordnet", sa.String(10)), sa.Column("gyldig_fra", sa.Date, nullable=False), sa.Column("gyldig_til", sa.Date),
        sa.Column("endret", _time, nullable=False),
    ),
    "leverandor": sa.Table(
        "leverandor", _schema,
        sa.Column("leverandornummer", sa.String(10), primary_key=True), sa.Column("organisasjonsnummer", sa.String(9)),
        sa.Column("navn", sa.String(200), nullable=False), sa.Column("land", sa.String(2), nullable=False),
        sa.Column("betalingsdager", sa.Integer, nullable=False), sa.Column("sperret", sa.Boolean, nullable=False),
        sa.Column("opprettet", _time, nullable=False), sa.Column("endret", _time, nullable=False),
    ),
    "bilag": sa.Table(
        "bilag", _schema,
        sa.Column("bilagsnummer", sa.BigInteger, primary_key=True), sa.Column("art", sa.String(2), nullable=False),
        sa.Column("bilagsdato", sa.Date, nullable=False), sa.Column("periode", sa.String(7), nullable=False),
        sa.Column("leverandornummer", sa.String(10)), sa.Column("gjelder_bilag", sa.BigInteger),
        sa.Column("tekst", sa.String(200), nullable=False), sa.Column("registrert_av", sa.String(100), nullable=False),
        sa.Column("attestert_av", sa.String(100)), sa.Column("registrert", _time, nullable=False, index=True),
    ),
    "bilagslinje": sa.Table(
        "bilagslinje", _schema,
        sa.Column("bilagsnummer", sa.BigInteger, primary_key=True), sa.Column("linjenummer", sa.Integer, primary_key=True),
        sa.Column("kontonummer", sa.String(4), nullable=False), sa.Column("kostnadssted", sa.String(10)),
        sa.Column("belop", _money, nullable=False), sa.Column("mva_kode", sa.String(2), nullable=False),
        sa.Column("registrert", _time, nullable=False, index=True),
    ),
    "budsjett": sa.Table(
        "budsjett", _schema,
        sa.Column("periode", sa.String(7), primary_key=True), sa.Column("kontonummer", sa.String(4), primary_key=True),
        sa.Column("kostnadssted", sa.String(10), primary_key=True), sa.Column("belop", _money, nullable=False),
        sa.Column("versjon", sa.Integer, nullable=False), sa.Column("endret", _time, nullable=False),
    ),
}  # fmt: skip
_DAY = sa.Table(
    "driftsdag",
    _schema,
    sa.Column("nummer", sa.Integer, primary_key=True),
    sa.Column("dag", sa.Date, nullable=False),
    sa.Column("epoke", sa.Date, nullable=False),
)


class Sandbox:
    """The accounting system, as `dataproducts up` drives it. Its database is a SQLite file under the home where no `url` is given.

    It is brought up to a day by writing what is not there yet, so it may be stopped and begun again, also by two processes.
    """

    def __init__(self, url: str | None = None, *, epoch: date | None = None, clock: Callable[[], datetime] | None = None) -> None:
        """`clock` gives an aware datetime."""
        self._url = url
        self._epoch = epoch
        self._clock = clock or (lambda: datetime.now(UTC))
        self._moved: date | None = None
        self._world: World | None = None
        self._engine: sa.Engine | None = None
        self._written = 0
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The database's address."""
        return self._url or f"sqlite:///{settings.home() / 'sandbox' / 'fist.db'}"

    @property
    def world(self) -> World:
        """The books behind it."""
        if self._world is None:
            self._world = World(epoch=self._epoch or date(2026, 11, 1))
        return self._world

    @property
    def day(self) -> date:
        """The day shown."""
        return self._moved or self._clock().astimezone(OSLO).date()

    def variables(self, first_day: date) -> dict[str, str]:
        """Environment variables that point the product here, for a history that begins on `first_day`."""
        self._epoch = self._epoch or first_day
        return {VARIABLE: self.url, "FIST_START": first_day.isoformat()}

    def start(self) -> None:
        """Open the database, and make its tables where there are none. What is in it is up to `travel`."""
        if self._url is None:
            (settings.home() / "sandbox").mkdir(parents=True, exist_ok=True)
        self._engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", lambda connection, _: connection.execute("pragma synchronous=off"))
        _schema.create_all(self._engine)

    def stop(self) -> None:
        """Follow the clock no more."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def travel(self, day: date | None) -> None:
        """Show the books as they are when that day is over, though nothing of the future; None follows the clock from now on."""
        self._moved = day
        self.write()
        if day is None and self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="sandbox-books", daemon=True)
            self._thread.start()

    def write(self) -> None:
        """Bring the database to the day shown. An earlier day, or books of another epoch, begin anew."""
        assert self._engine is not None
        with self._lock, self._engine.begin() as connection:
            shown = connection.execute(sa.select(_DAY.c.dag, _DAY.c.epoke)).first()
            if (shown is not None and (self.day < shown.dag or shown.epoke != self.world.epoch)) or self.day < self.world.day:
                for table in _TABLES.values():
                    connection.execute(table.delete())
                self._world, self._written = World(epoch=self.world.epoch), 0
            self.world.advance(max(self.day, self.world.epoch))
            until = min(datetime.combine(self.day + timedelta(days=1), time(), OSLO), self._clock())
            due = [change for change in self.world.log[self._written :] if change.at < until]
            self._put(connection, due)
            self._written += len(due)
            row = {"nummer": 1, "dag": self.day, "epoke": self.world.epoch}
            connection.execute(self._taking_its_place(_DAY), [row])

    def _put(self, connection: sa.Connection, due: Sequence[Change]) -> None:
        for name, table in _TABLES.items():
            newest: dict[tuple[Any, ...], dict[str, Any]] = {}  # one statement takes a key once
            for change in due:
                if change.table == name:
                    row = {k: str(v) if k == "belop" else v for k, v in change.row.items()}
                    newest[tuple(row[column.name] for column in table.primary_key)] = row
            if newest:
                connection.execute(self._taking_its_place(table), list(newest.values()))

    def _taking_its_place(self, table: sa.Table) -> Any:
        assert self._engine is not None
        dialect: Any = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(table)
        others = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
        return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=others)

    def _follow(self) -> None:
        while not self._stopped.wait(EVERY):
            if self._moved is None:
                self.write()


@cache
def _own(home: str) -> Sandbox:
    sandbox = Sandbox(epoch=settings.first_day())
    sandbox.start()
    return sandbox


def address() -> str:
    """A database in this home, brought up to now: for a command on a laptop, outside `dataproducts up`."""
    sandbox = _own(str(settings.home()))
    sandbox.write()
    return sandbox.url
