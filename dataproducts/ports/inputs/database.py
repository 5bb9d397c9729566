"""A table or query of a database as the source of a dataset: whole, the rows of a partition, or in ranges of a column that only grows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa

from dataproducts import settings
from dataproducts.contract import REST, Column, Contract
from dataproducts.errors import DeclarationError, PartitionUnavailable
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.materialization import Limits, Log
from dataproducts.ports.inputs.chain import Chain, Link, refuse_uncut
from dataproducts.ports.inputs.rows import Facts, RowsIntake
from dataproducts.ports.inputs.sql import frames, snapshot
from dataproducts.secret_references import secret_of
from dataproducts.source import InputPort

CHECK, NOTE = "source", "database"
PARAMETERS = ("partition", "partition_start", "partition_end")


@dataclass(frozen=True)
class Database(InputPort):
    """A database that feeds a dataset: `source=dp.Database("sales", variable="SHOP_DATABASE_URL", table="sales")`.

    The dataset's function gets its partition's rows as `rows`, and the simplest gives them back: `return rows`.

    `variable` names the environment variable that holds the address (PostgreSQL or SQLite); `sandbox` gives one in the local environment
    where it is not set. `table` ("table" or "schema.table") is read with the contract's columns, `query` is a SELECT. A partition
    is read in one transaction that sees one state and cannot write.

    - A query with `:partition`, or `:partition_start` and `:partition_end` (UTC), gives the rows of that partition, at any time.
    - With `since`, a column that only grows (an id, a time of change), a partition is what came after the one before it ended, and of a
      time nothing later than the partition. The range is recorded with the rows; a partition made again reads it again.
    - Else a partition is the whole as it is now, and can only be read in its own time. `moment` is a SELECT that tells what time the
      database is at, where that is not the clock's.
    """

    variable: str = field(kw_only=True)
    table: str | None = field(default=None, kw_only=True)
    query: str | None = field(default=None, kw_only=True)
    since: str | None = field(default=None, kw_only=True)
    moment: str | None = field(default=None, kw_only=True)
    sandbox: Callable[[], str] | None = field(default=None, kw_only=True, compare=False)

    parameter: ClassVar[str] = "rows"
    kind: ClassVar[str] = "database"
    checks: ClassVar[Mapping[str, str]] = {
        CHECK: "The source is at the partition's time, and of what is read in ranges no row came behind what was read, nor was it set back."
    }

    def promised(self, contract: Contract, partitions: Any) -> Contract:
        """The contract as it is. Raises DeclarationError for a dataset that this cannot feed."""
        where = f"{contract.dataset}: database source {self.name!r}"
        if (self.table is None) == (self.query is None):
            raise DeclarationError(f"{where} has {'both' if self.table else 'neither'} table and query; give one of the two")
        if "://" in self.variable or not self.variable.isidentifier():
            raise DeclarationError(
                f"{where}: variable is the name of an environment variable that holds the address, not the address itself"
            )
        if self.query is not None and "{partition" in self.query:
            raise DeclarationError(f"{where} has {{partition}} in its text, where a value could become SQL; write :partition")
        bound = self._bound()
        if unknown := sorted(bound - set(PARAMETERS)):
            raise DeclarationError(f"{where} takes :{unknown[0]}, and there are {', '.join(f':{p}' for p in PARAMETERS)}")
        if bound and partitions is None:
            raise DeclarationError(f"{where} takes :{min(bound)}, and the dataset has no partitions; leave it out or give it some")
        timed = hasattr(partitions, "time_window_for_partition_key")
        if bound & {"partition_start", "partition_end"} and not timed:
            raise DeclarationError(f"{where} takes the times of partitions, which are not by time; use :partition")
        if self.since is not None:
            if bound:
                raise DeclarationError(
                    f"{where} has both since and :{min(bound)}; either the source or the partition says which rows are read"
                )
            refuse_uncut(contract, partitions, f"since={self.since!r} of {self.name}")
            column = self._columns(contract).get(self.since)
            if column is not None and column.is_personal:
                raise DeclarationError(f"{where}: since={self.since!r} is recorded for all to see and is classed {column.personal}")
        elif partitions is not None and not bound and not timed:
            raise DeclarationError(f"{where} gives every partition the same rows; take :partition in the query")
        return contract

    def open(
        self, contract: Contract, partitions: Any, limits: Limits, history: DatasetHistory, resource: Callable[[str], Any], log: Log
    ) -> DatabaseIntake:
        """Begin a run."""
        return DatabaseIntake(database=self, contract=contract, partitions=partitions, history=history, log=log)

    def address(self) -> str:
        """The database's address. Raises ConfigurationError where no variable gives it."""
        given = secret_of(self.variable)
        if not given and self.sandbox is not None and settings.environment() == "local":
            return self.sandbox()
        return settings.required(self.variable, "the address of a database, postgresql://user:password@host/name")

    def _bound(self) -> set[str]:
        return set(sa.text(self.query).compile().params) if self.query is not None else set()

    @staticmethod
    def _columns(contract: Contract) -> dict[str, Column]:
        return {c.source or c.name: c for c in contract.columns if c.source != REST}

    def _from(self, contract: Contract) -> tuple[Any, list[Any]]:
        """What is selected from, and which columns of it."""
        whole = any(c.source == REST for c in contract.columns)
        if self.table is not None:
            schema, _, name = self.table.rpartition(".")
            chosen: list[Any] = [sa.literal_column("*")] if whole else [sa.column(n) for n in self._columns(contract)]
            return sa.table(name, schema=schema or None), chosen
        text = str(self.query).strip().rstrip(";")
        return sa.text(f"{text}\n").columns().subquery("source"), [sa.literal_column("*")]

    def select(self, contract: Contract) -> Any:
        """The statement that reads all there is."""
        if self.query is not None:
            return sa.text(self.query.strip().rstrip(";"))
        source, columns = self._from(contract)
        return sa.select(*columns).select_from(source)


@dataclass
class DatabaseIntake(RowsIntake):
    """A database during one run of the dataset it feeds."""

    database: Database = field(kw_only=True)

    @cached_property
    def chain(self) -> Chain:
        """The ranges of the dataset's partitions."""
        return Chain(self.contract, self.partitions, self.history, NOTE)

    def reading(self, partition: str) -> Callable[[Facts], Iterator[Any]]:
        """Whole, by parameters, or the partition's range."""
        self.faults.get(CHECK, {}).pop(partition, None)
        if self.database.since is not None:
            known = self.chain.recorded()
            previous = self.chain.before(partition, known)
            return lambda facts: self._range(partition, previous, known.get(partition), facts)
        return lambda facts: self._all(partition, facts)

    def holds(self, partition: str, versions: Sequence[Version], beside: Collection[str]) -> bool:
        """Ranges follow each other without gap or overlap."""
        return self.database.since is None or self.chain.holds(partition, versions, beside)

    def _all(self, partition: str, facts: Facts) -> Iterator[pl.DataFrame]:
        database, where, count = self.database, self.where(partition), 0
        bound = database._bound()
        parameters = self._parameters(partition, bound)
        with snapshot(database.address(), database.variable, where) as connection:
            if not bound and self.partitions is not None:
                facts["moment"] = self._refuse_other_time(partition, connection)
            for frame in frames(connection, database.select(self.contract), parameters, database._columns(self.contract)):
                count += frame.height
                yield frame
        facts["rows_read"] = count

    def _parameters(self, partition: str, bound: Collection[str]) -> dict[str, Any]:
        given: dict[str, Any] = {"partition": partition}
        if {"partition_start", "partition_end"} & set(bound):
            window = self.partitions.time_window_for_partition_key(partition)
            given |= {"partition_start": window.start.astimezone(UTC), "partition_end": window.end.astimezone(UTC)}
        return {name: given[name] for name in bound}

    def _refuse_other_time(self, partition: str, connection: sa.Connection) -> str:
        """The time the database is at, which has to be the partition's: it holds what is now, and nothing of what was."""
        window, where = self.partitions.time_window_for_partition_key(partition), self.where(partition)
        zone = window.start.tzinfo
        if self.database.moment is None:
            at = datetime.now(UTC)
            fits = window.start <= at and partition in (self.partitions.get_last_partition_key(), self._key_at(at))
        else:
            at = _moment(connection.execute(sa.text(self.database.moment)).scalar(), zone, where)
            fits = window.start <= at < window.end
        shown = f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
        if not fits:
            gone = at >= window.start
            text = self.fault(
                CHECK,
                partition,
                f"{where}: the database of {self.database.variable} is at {shown} and "
                + ("no longer shows that time; what is stored stays as it is" if gone else "has not come to it yet; materialize it then"),
            )
            raise PartitionUnavailable(text)
        return at.isoformat()

    def _key_at(self, at: datetime) -> str:
        return str(self.partitions.get_partition_key_for_timestamp(at.timestamp()))

    # Ranges

    def _range(self, partition: str, previous: Link | None, fixed: Link | None, facts: Facts) -> Iterator[pl.DataFrame]:
        database, where, count = self.database, self.where(partition), 0
        source, columns = database._from(self.contract)
        by: Any = sa.column(str(database.since))
        begins = _value(previous.ends) if previous else None
        with snapshot(database.address(), database.variable, where) as connection:
            if fixed is not None and fixed.begins == (previous.ends if previous else None):
                ends = _value(fixed.ends)
            else:
                fixed = None
                ends = self._ends(partition, connection, source, by, begins)
                self._look_back(partition, connection, source, by, previous)
            if ends is not None and ends != begins:
                statement = sa.select(*columns).select_from(source).where(*_within(by, begins, ends))
                for frame in frames(connection, statement, {}, database._columns(self.contract)):
                    count += frame.height
                    yield frame
        if fixed is not None and count < fixed.rows:
            raise PartitionUnavailable(
                f"{where}: the database of {database.variable} has {count:,} rows of the recorded range and had {fixed.rows:,} when it was "
                "read; the source has moved on, and what is stored stays as it is"
            )
        start, end = self.chain.window(partition)
        link = Link(partition, start, end, _position(begins), _position(ends), count)
        self.chain.read(link)
        facts[NOTE] = {"since": database.since, **link.note()}
        facts["rows_read"] = count

    def _ends(self, partition: str, connection: sa.Connection, source: Any, by: Any, begins: Any) -> Any:
        """The last value there is of the partition's time; where it began when there is none."""
        newest = connection.execute(sa.select(sa.func.max(by)).select_from(source)).scalar()
        if newest is None or (begins is not None and newest <= begins):
            if begins is not None and (newest is None or newest < begins):
                self.fault(
                    CHECK,
                    partition,
                    f"{self.where(partition)}: the newest {self.database.since} is {_shown(newest)}, and it was read to {_shown(begins)}; "
                    "if the source was set back, what it adds up to there is not read",
                )
            return begins
        bound = self._bound(partition, newest)
        if bound is None or newest < bound:
            return newest
        within = sa.select(sa.func.max(by)).select_from(source).where(by < bound, *([by > begins] if begins is not None else []))
        found = connection.execute(within).scalar()
        return begins if found is None else found

    def _bound(self, partition: str, newest: Any) -> Any:
        """The end of the partition as the column writes times; None where it holds none."""
        column = self.database._columns(self.contract).get(str(self.database.since))
        want = column.dtype if column is not None else None
        end = self.partitions.time_window_for_partition_key(partition).end
        if isinstance(want, pl.Date) or (isinstance(newest, date) and not isinstance(newest, datetime)):
            return end.date().isoformat() if isinstance(newest, str) else end.date()
        if not isinstance(newest, datetime) and not isinstance(want, pl.Datetime):
            return None
        zone = ZoneInfo(column.time_zone) if column is not None and column.time_zone else UTC
        if isinstance(newest, str):  # SQLite: the text of a time, which sorts as it does where all are written alike
            return f"{end.astimezone(zone):%Y-%m-%d{'T' if 'T' in newest else ' '}%H:%M:%S}"
        return end if newest.tzinfo is not None else end.astimezone(zone).replace(tzinfo=None)

    def _look_back(self, partition: str, connection: sa.Connection, source: Any, by: Any, previous: Link | None) -> None:
        """Rows without a value are never read, and rows that came into the range before this after it was read are not in it."""
        told = []
        missing = connection.execute(sa.select(sa.func.count()).select_from(source).where(by.is_(None))).scalar() or 0
        if missing:
            told.append(f"{missing:,} rows have no {self.database.since} and are never read; give them one")
        if previous is not None and previous.ends is not None:
            within = _within(by, _value(previous.begins), _value(previous.ends))
            late = (connection.execute(sa.select(sa.func.count()).select_from(source).where(*within)).scalar() or 0) - previous.rows
            if late > 0:
                told.append(f"{late:,} rows came into the range of {previous.partition!r} after it was read; materialize that again")
        if told:
            self.fault(CHECK, partition, f"{self.where(partition)}: {'; '.join(told)}")


def _within(by: Any, begins: Any, ends: Any) -> list[Any]:
    return [by <= ends, *([by > begins] if begins is not None else [])]


def _position(value: Any) -> Any:
    """A value of the column as JSON; `_value` reads it. Numbers and texts are themselves."""
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Decimal):
        return {"number": str(value)}
    if value is None or isinstance(value, int | float | str):
        return value
    raise DeclarationError(f"a column of {type(value).__name__} cannot be read in ranges; take a number, a date, a time or a text")


def _value(position: Any) -> Any:
    if not isinstance(position, dict):
        return position
    ((kind, text),) = position.items()
    read: Mapping[str, Callable[[str], Any]] = {"time": datetime.fromisoformat, "date": date.fromisoformat, "number": Decimal}
    return read[kind](text)


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _moment(value: Any, zone: Any, where: str) -> datetime:
    """What a database says its time is, aware; without an offset it is in the partitions' zone."""
    found = value
    with suppress(ValueError):
        found = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(found, date) and not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day)
    if not isinstance(found, datetime):
        raise DeclarationError(f"{where}: moment gives {value!r}, which is no date or time; select one")
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)
