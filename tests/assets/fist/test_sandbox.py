"""The synthetic accounting system: the same every time, books that balance, lifelike, and about nobody."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assets.enhetsregisteret.sandbox import World as Register
from assets.fist.sandbox import Sandbox, World, address, plan
from assets.fist.sandbox.world import OSLO
from dataproducts.errors import ConfigurationError

EPOCH = date(2026, 11, 1)
LAST = EPOCH + timedelta(days=89)
YEAR_AHEAD = datetime(2027, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def world() -> World:
    world = World(epoch=EPOCH)
    world.advance(LAST)
    return world


@pytest.fixture(scope="module")
def entries(world: World) -> dict[int, dict[str, Any]]:
    return {c.row["bilagsnummer"]: c.row for c in world.log if c.table == "bilag"}


@pytest.fixture(scope="module")
def lines(world: World) -> dict[int, list[dict[str, Any]]]:
    found = defaultdict(list)
    for change in world.log:
        if change.table == "bilagslinje":
            found[change.row["bilagsnummer"]].append(change.row)
    return dict(found)


def test_books_are_the_same_every_time_and_another_seed_keeps_others(world: World) -> None:
    again = World(epoch=EPOCH)
    again.advance(EPOCH + timedelta(days=5))
    assert again.log == world.log[: len(again.log)]
    assert World(epoch=EPOCH, seed=2).log[60:] != again.log[60:]
    with pytest.raises(ConfigurationError, match="cannot go back to 2026-11-01; begin with new ones"):
        world.advance(EPOCH)


def test_every_entry_balances_to_the_oere_and_has_its_lines(entries: dict[int, Any], lines: dict[int, Any]) -> None:
    assert list(entries) == list(range(min(entries), max(entries) + 1)), "the numbers run on"
    assert set(lines) == set(entries)
    assert {number for number, of_one in lines.items() if sum(line["belop"] for line in of_one) != 0} == set()
    assert all(line["belop"] == line["belop"].quantize(Decimal("0.01")) for of_one in lines.values() for line in of_one)


def test_changes_come_in_the_order_of_their_time(world: World) -> None:
    times = [change.at for change in world.log]
    assert times == sorted(times)
    registered = [change.at for change in world.log if change.table == "bilag"]
    assert len(set(registered)) == len(registered), "a range of times cuts no entry in two"


def test_everything_that_can_happen_to_books_happens(world: World, entries: dict[int, Any], lines: dict[int, Any]) -> None:
    kinds = {entry["art"] for entry in entries.values()}
    assert kinds == {"AP", "IF", "UF", "BE", "IB", "LO", "AV", "PE", "OM", "TI", "EP"}
    late = [e for e in entries.values() if e["periode"] < f"{e['registrert'].astimezone(OSLO):%Y-%m}"]
    assert len(late) > 20, "postings into earlier periods"
    assert {e["art"] for e in late if e["registrert"].astimezone(OSLO).day > 10} == {"EP"}, "into closed periods only late ones"
    for entry in entries.values():
        if entry["art"] == "TI":
            pairs = zip(lines[entry["bilagsnummer"]], lines[entry["gjelder_bilag"]], strict=True)
            assert all((a["kontonummer"], a["belop"]) == (b["kontonummer"], -b["belop"]) for a, b in pairs)
    changed: dict[tuple[str, str], set[str]] = defaultdict(set)
    for change in world.log:
        if change.table in ("leverandor", "budsjett"):
            row = {k: v for k, v in change.row.items() if k != "endret"}
            key = row.get("leverandornummer") or "/".join([row["periode"], row["kontonummer"], row["kostnadssted"]])
            changed[change.table, key].add(str(row))
    tables = {table for (table, _), states in changed.items() if len(states) > 1}
    assert tables == {"leverandor", "budsjett"}, "registers are changed in place"
    opened = {c.row["kontonummer"] for c in world.log if c.table == "konto"} - set(plan.ACCOUNTS)
    assert opened <= {number for number, _ in plan.LATER_ACCOUNTS}


def test_nobody_pays_the_same_invoice_twice(entries: dict[int, Any], lines: dict[int, Any]) -> None:
    owed = sum(line["belop"] for of_one in lines.values() for line in of_one if line["kontonummer"] == "2400")
    invoiced = sum(
        line["belop"] for n, of_one in lines.items() if entries[n]["art"] == "IF" for line in of_one if line["kontonummer"] == "2400"
    )
    assert invoiced < owed <= 0


def test_vendors_are_found_in_the_register_and_nobody_attests_their_own(world: World, entries: dict[int, Any]) -> None:
    register = {unit["organisasjonsnummer"]: unit["navn"] for unit in Register().bulk("enheter")}
    vendors = [c.row for c in world.log if c.table == "leverandor"]
    assert all(register[v["organisasjonsnummer"]] == v["navn"] for v in vendors if v["land"] == "NO")
    assert any(v["organisasjonsnummer"] is None for v in vendors)
    assert all(re.fullmatch("[1-8][0-9]{3}", number) for number in plan.ACCOUNTS)
    assert not [e for e in entries.values() if e["attestert_av"] == e["registrert_av"]]


# The database


def counted(url: str) -> tuple[int, date, Any]:
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        entries = connection.execute(sa.text("select count(*) from bilag")).scalar_one()
        day = connection.execute(sa.text("select dag from driftsdag")).scalar_one()
        content = (
            connection.execute(sa.text("select * from leverandor order by 1")).all(),
            connection.execute(sa.text("select * from budsjett order by 1, 2, 3")).all(),
        )
    return entries, day, content


def books(url: str | None = None, at: datetime = YEAR_AHEAD) -> Sandbox:
    sandbox = Sandbox(url, epoch=EPOCH, clock=lambda: at)
    sandbox.start()
    return sandbox


def test_the_database_shows_the_day_that_is_travelled_to(home: Path) -> None:
    sandbox = books()
    found = {}
    for number in (0, 3, 8):
        sandbox.travel(EPOCH + timedelta(days=number))
        found[number] = counted(sandbox.url)
        assert str(found[number][1]) == str(EPOCH + timedelta(days=number))
    assert found[0][0] < found[3][0] < found[8][0]
    sandbox.travel(EPOCH + timedelta(days=3))
    assert counted(sandbox.url) == found[3], "an earlier day is shown as it was"
    again = books()
    again.travel(EPOCH + timedelta(days=8))
    assert counted(again.url) == found[8], "another process goes on with the same books"


def test_nothing_of_the_future_is_shown(home: Path) -> None:
    noon = datetime(2026, 11, 4, 9, tzinfo=UTC)
    sandbox = books(at=noon)
    sandbox.travel(date(2026, 11, 4))
    engine = sa.create_engine(sandbox.url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        newest = connection.execute(sa.text("select max(registrert) from bilag")).scalar_one()
    assert "2026-11-04 06:00" < newest < "2026-11-04 09:00"


def test_a_command_on_a_laptop_has_a_database_without_any_setting(home: Path) -> None:
    url = address()
    assert str(home) in url
    assert counted(url)[0] > 300
