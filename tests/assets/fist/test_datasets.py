"""The raw datasets of Fist: what is in the accounting system is in the history, day by day, and its books are held to balance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
import pytest
import sqlalchemy as sa

import dataproducts as dp
from assets.enhetsregisteret.sandbox import World as Register
from assets.fist import schedules
from assets.fist.datasets import _first_day, product
from assets.fist.sandbox import Sandbox
from dataproducts.errors import ConfigurationError
from tests.assets.fist.books import ENTRIES, RAW_CHECKS, STATES, Books, names


@pytest.fixture
def open_books(home: Path, monkeypatch: pytest.MonkeyPatch, instance: Any) -> Iterator[Callable[..., Books]]:
    opened: list[Sandbox] = []

    def at(day: str, url: str | None = None) -> Books:
        books = Books.at(day, instance, url)
        monkeypatch.setenv("FIST_DATABASE_URL", books.sandbox.url)
        opened.append(books.sandbox)
        return books

    yield at
    for sandbox in opened:
        sandbox.stop()


def test_a_week_of_books_is_kept_and_every_check_passes(open_books: Callable[..., Books]) -> None:
    books = open_books("2026-11-07")
    states = books.make(*STATES, day="2026-11-07")
    assert states.success, states.failure
    made = books.make(*ENTRIES, day="2026-11-01", until="2026-11-07")
    assert made.success, made.failure
    assert states.warned == made.warned == {}
    assert set(made.checks) >= names(RAW_CHECKS)
    lines = dp.scan("fist/bilagslinjer").collect()
    engine = sa.create_engine(books.sandbox.url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        there = connection.execute(sa.text("select bilagsnummer, linjenummer, belop from bilagslinje order by 1, 2")).all()
    ours = lines.select("bilagsnummer", "linjenummer", "belop").sort("bilagsnummer", "linjenummer").rows()
    assert ours == [(entry, line, Decimal(amount)) for entry, line, amount in there]
    for day in ("2026-11-02", "2026-11-06"):
        registered = dp.scan("fist/bilag", day).select(pl.col("registrert").dt.convert_time_zone("Europe/Oslo").dt.date()).collect()
        assert registered.to_series().unique().to_list() == [date.fromisoformat(day)]
    register = {unit["organisasjonsnummer"] for unit in Register().bulk("enheter")}
    vendors = dp.scan("fist/leverandorer").collect()
    assert set(vendors["organisasjonsnummer"].drop_nulls()) <= register


def test_the_state_of_another_day_is_not_to_be_had(open_books: Callable[..., Books]) -> None:
    books = open_books("2026-11-05")
    failed = books.make("kontoplan", day="2026-11-04")
    assert not failed.success
    assert "the database of FIST_DATABASE_URL is at 2026-11-05 00:00 and no longer shows that time" in failed.failure
    assert failed.warned["source"] == "ERROR"


def test_books_that_do_not_balance_fail_their_checks(open_books: Callable[..., Books]) -> None:
    books = open_books("2026-11-03")
    books.make(*STATES, day="2026-11-03")
    books.make(*ENTRIES, day="2026-11-01", until="2026-11-02")
    number = "(select min(bilagsnummer) from bilag where registrert > '2026-11-03 02:00')"
    books.execute(
        f"update bilagslinje set belop = '0.01' where linjenummer = 1 and bilagsnummer = {number}",
        f"update bilagslinje set kontonummer = '8999' where linjenummer = 2 and bilagsnummer = {number} + 1",
        f"update bilag set leverandornummer = 'L99999' where bilagsnummer = {number} + 1",
        f"delete from bilag where bilagsnummer = {number} + 2",
    )
    made = books.make(*ENTRIES, day="2026-11-03")
    assert made.success, "the books are kept as they are; the checks tell"
    assert set(made.warned) == names(RAW_CHECKS)
    assert "do not balance" in made.checks["entries_balance"].metadata["wrong"].value
    assert made.checks["lines_have_their_account"].metadata["wrong"].value.startswith("8999 are accounts")
    assert "L99999" not in made.text, "the number of a vendor may be that of a person"


def test_whoever_attested_is_in_no_profile_sample_or_log(open_books: Callable[..., Books]) -> None:
    from assets.fist.sandbox import plan

    made = open_books("2026-11-02").make("bilag", day="2026-11-01")
    assert made.success, made.failure
    assert made.warned == {"entries_have_their_vendor": "ERROR"}, "no list of vendors has been made yet"
    assert not [name for name in plan.staff() if name in made.text]


def test_money_of_postgresql_is_the_same_money(
    open_books: Callable[..., Books], postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same books in SQLite, where money is text, and in PostgreSQL, where it is numeric: the same content, to the hash."""
    hashes = []
    for lake, url in (("one", None), ("other", postgres.new())):
        monkeypatch.setenv("DATAPRODUCTS_LAKE", str(tmp_path / lake))
        books = open_books("2026-11-01", url)
        states = ["leverandorer", "budsjett"]
        assert books.make(*states, day="2026-11-01").success
        assert books.make(*ENTRIES, day="2026-11-01").success
        hashes.append({n: product.datasets[n].history().versions("2026-11-01")[-1].content_hash for n in [*states, *ENTRIES]})
    assert hashes[0] == hashes[1]


def test_the_schedule_asks_for_today_and_for_every_day_that_is_missing(open_books: Callable[..., Books], persistent: Any) -> None:
    books = open_books("2026-11-03")
    books.make(*ENTRIES, day="2026-11-01")

    morning = datetime(2026, 11, 4, 0, 10, tzinfo=ZoneInfo("Europe/Oslo"))
    context = dg.build_schedule_context(persistent, scheduled_execution_time=morning)
    states, entries = schedules.fist_states(context), schedules.fist_entries(context)
    assert (states.partition_key, len(states.asset_selection)) == ("2026-11-04", 4)
    span = {"dagster/asset_partition_range_start": "2026-11-02", "dagster/asset_partition_range_end": "2026-11-03"}
    assert (entries.partition_key, {k: entries.tags[k] for k in span}) == (None, span)
    books.make(*ENTRIES, day="2026-11-02", until="2026-11-03")
    assert "every day that is over is in place" in str(schedules.fist_entries(context).skip_message)


def test_a_first_day_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIST_START", "i fjor")
    with pytest.raises(ConfigurationError, match="FIST_START is 'i fjor', which is not a day; write it as 2026-11-01"):
        _first_day()
