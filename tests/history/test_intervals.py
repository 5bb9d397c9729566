"""SCD2 intervals are those the right order of snapshots would have given, whatever order they came in."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataproducts as dp
from dataproducts.errors import DeclarationError, HistoryError
from dataproducts.history import intervals
from dataproducts.history.content import content_hash
from dataproducts.history.intervals import incorporate, interval_contract
from dataproducts.history.store import DatasetHistory, Draft

Snapshot = dict[str, tuple[Any, ...]]  # row by key
Interval = tuple[Any, ...]  # key, row, valid_from, valid_to

COLUMNS = {"name": pl.String(), "tags": pl.List(pl.String()), "amount": pl.Decimal(9, 2)}


class World:
    """A dataset of daily snapshots and its history, in a lake."""

    def __init__(self, lake: str) -> None:
        schema = {"id": pa.Column(str), **{name: pa.Column(dtype, nullable=True) for name, dtype in COLUMNS.items()}}
        self.contract = dp.Contract.of(pa.DataFrameSchema(schema), dataset="shop/stock", key="id", kind="snapshot")
        self.intervals = interval_contract(self.contract, dataset="shop/stock_history", version="1.0.0", moment=pl.Date())
        self.source = DatasetHistory(lake, "shop/stock")
        self.history = DatasetHistory(lake, "shop/stock_history")

    def publish(self, day: str, snapshot: Snapshot) -> None:
        rows = [(key, *row) for key, row in snapshot.items()]
        frame = pl.DataFrame(rows, schema=dict(self.contract.dtypes), orient="row")
        self.source.commit([Draft.of(day, frame, self.contract)], self.contract)

    def take_in(self, *days: str) -> list[Any]:
        return incorporate(self.history, self.intervals, self.source, self.contract, days, date.fromisoformat)


def brute_force(snapshots: dict[str, Snapshot]) -> list[Interval]:
    """Intervals of whole snapshots, day by day and key by key."""
    days = sorted(snapshots)
    found: list[Interval] = []
    for key in {key for snapshot in snapshots.values() for key in snapshot}:
        since, held = None, None
        for day in days:
            row = snapshots[day].get(key)
            if row == held:
                continue
            if held is not None:
                found.append((key, *held, since, date.fromisoformat(day)))
            since, held = date.fromisoformat(day), row
        if held is not None:
            found.append((key, *held, since, None))
    return sorted(found, key=repr)


def read(as_of: Any = None) -> list[Interval]:
    return sorted(dp.scan("shop/stock_history", as_of=as_of).collect().rows(), key=repr)


@pytest.fixture
def world(lake: str) -> World:
    return World(lake)


def row(name: str | None, tags: list[str | None] | None = None) -> tuple[Any, ...]:
    return (name, tags, None)


def test_a_key_that_vanishes_and_returns_has_two_intervals_with_a_gap(world: World) -> None:
    days = {"2026-01-01": {"a": row("x")}, "2026-01-02": {}, "2026-01-04": {"a": row("x")}}
    for day, snapshot in days.items():
        world.publish(day, snapshot)
        world.take_in(day)
    assert read() == [
        ("a", "x", None, None, date(2026, 1, 1), date(2026, 1, 2)),
        ("a", "x", None, None, date(2026, 1, 4), None),
    ]


def test_a_day_that_changes_nothing_and_an_older_day_afterwards_leave_the_intervals_right(world: World) -> None:
    world.publish("2026-01-01", {"a": row("x")})
    world.publish("2026-01-03", {"a": row("z")})
    world.take_in("2026-01-01", "2026-01-03")
    world.publish("2026-01-02", {"a": row("y"), "b": row("only then")})
    world.take_in("2026-01-02")
    assert read() == [
        ("a", "x", None, None, date(2026, 1, 1), date(2026, 1, 2)),
        ("a", "y", None, None, date(2026, 1, 2), date(2026, 1, 3)),
        ("a", "z", None, None, date(2026, 1, 3), None),
        ("b", "only then", None, None, date(2026, 1, 2), date(2026, 1, 3)),
    ]
    before = world.history.refresh().versions()
    assert [c.is_new for c in world.take_in("2026-01-02", "2026-01-01")] == [False, False]
    assert world.history.refresh().versions() == before


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (row(None), row("")),
        (row("x", None), row("x", [])),
        (row("x", []), row("x", [None])),
        (row("x", [""]), row("x", [None])),
        (row("x", ["a", "b"]), row("x", ["ab"])),
        (row("x", ["a", "b"]), row("x", ["b", "a"])),
    ],
)
def test_rows_that_look_alike_are_a_change(one: Any, other: Any, world: World) -> None:
    world.publish("2026-01-01", {"a": one})
    world.publish("2026-01-02", {"a": other})
    world.take_in("2026-01-01", "2026-01-02")
    assert sorted(r[-2:] for r in read()) == [(date(2026, 1, 1), date(2026, 1, 2)), (date(2026, 1, 2), None)]


def test_what_a_day_costs_follows_what_changed_that_day(world: World) -> None:
    whole: Snapshot = {f"k{i}": row(f"n{i}") for i in range(1000)}
    for day in range(1, 6):
        world.publish(f"2026-01-0{day}", {**whole, "k7": row(f"day {day}")})
    world.take_in(*(f"2026-01-0{day}" for day in range(1, 6)))
    assert [v.rows for v in world.history.refresh().versions()] == [1000, 1, 1, 1, 1]


def test_a_missing_snapshot_is_named(world: World) -> None:
    world.publish("2026-01-01", {"a": row("x")})
    with pytest.raises(HistoryError, match="shop/stock_history: shop/stock has no partition '2026-01-02'; materialize that first"):
        world.take_in("2026-01-01", "2026-01-02")
    assert not world.history.refresh().versions()


def test_a_damaged_snapshot_is_named_and_nothing_is_taken_in(world: World) -> None:
    for day in ("2026-01-01", "2026-01-02"):
        world.publish(day, {"a": row(day)})
    world.take_in("2026-01-01")
    version = world.source.versions("2026-01-02")[0]
    path = world.source.table(1).absolute(version.files[0])
    with open(path, "r+b") as file:  # noqa: PTH123
        file.truncate(100)
    with pytest.raises(HistoryError, match=r"shop/stock: partition '2026-01-02' version 1 cannot be read: .* is damaged"):
        world.take_in("2026-01-02")
    assert [v.partition for v in world.history.refresh().versions()] == ["2026-01-01"]


def test_a_source_without_a_key_or_with_our_columns_cannot_have_intervals(declare: Callable[..., Any]) -> None:
    with pytest.raises(DeclarationError, match="shop/sales has no key"):
        interval_contract(declare({"id": pl.Int64}), dataset="shop/h", version="1.0.0", moment=pl.Date())
    with pytest.raises(DeclarationError, match="already has a column 'valid_to'"):
        interval_contract(declare({"id": pl.Int64, "valid_to": pl.Date}, "id"), dataset="shop/h", version="1.0.0", moment=pl.Date())


def test_a_new_column_of_the_snapshots_opens_intervals_where_it_has_values(world: World, declare: Callable[..., Any]) -> None:
    world.publish("2026-01-01", {"a": row("x"), "b": row("y")})
    world.take_in("2026-01-01")
    columns = {"id": str, **COLUMNS, "color": pl.String()}
    world.contract = declare(columns, "id", dataset="shop/stock", kind="snapshot", version="1.1.0")
    world.intervals = interval_contract(world.contract, dataset="shop/stock_history", version="1.1.0", moment=pl.Date())
    world.publish("2026-01-02", {"a": (*row("x"), "red"), "b": (*row("y"), None)})
    world.take_in("2026-01-02")
    found = dp.scan("shop/stock_history").sort("id", "valid_from").select("id", "name", "color", "valid_from", "valid_to").collect()
    assert found.rows() == [
        ("a", "x", None, date(2026, 1, 1), date(2026, 1, 2)),
        ("a", "x", "red", date(2026, 1, 2), None),
        ("b", "y", None, date(2026, 1, 1), None),
    ]


def test_a_clock_set_back_between_two_days_leaves_every_earlier_reading_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.history import store

    clock = datetime(2026, 6, 1, tzinfo=UTC)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return clock

    monkeypatch.setattr(store, "datetime", Clock)
    world.publish("2026-01-01", {"a": row("x")})
    world.take_in("2026-01-01")
    one = world.history.refresh().versions()[0].known_at
    clock -= timedelta(days=30)
    world.publish("2026-01-02", {"a": row("x")})
    world.take_in("2026-01-02")
    assert read(as_of=one) == [("a", "x", None, None, date(2026, 1, 1), None)]
    with pytest.raises(dp.DataProductsError, match="nothing was known at"):
        read(as_of=one - timedelta(days=1))  # the second day, told from the first, cannot be known before it


def read_little_at_once(patch: pytest.MonkeyPatch) -> None:
    """As if a few rows were more than fit in memory."""
    patch.setattr(intervals, "_CELLS_HELD", 0)
    patch.setattr(intervals, "_CELLS_AT_ONCE", 8)
    patch.setattr(intervals, "_ROWS_AT_ONCE", 2)


def stock_of_four_days() -> dict[str, pl.DataFrame]:
    """Four days of which the third changes most, under a key of two columns."""
    whole = pl.DataFrame(
        [(f"shop {n % 3}", n, f"a name that is longer than twelve letters {n}", [f"t{n}"] if n % 4 else None) for n in range(40)],
        schema={"shop": pl.String, "number": pl.Int64, "name": pl.String, "tags": pl.List(pl.String)},
        orient="row",
    )
    renamed = whole.with_columns(pl.when(pl.col("number") % 5 > 0).then(pl.col("name") + "!").otherwise("name").alias("name"))
    return {
        "2026-01-01": whole,
        "2026-01-02": whole.filter(pl.col("number") % 10 != 3),
        "2026-01-03": renamed.filter(pl.col("number") % 3 != 1),
        "2026-01-04": whole.clear(),
    }


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("apart", [True, False])
def test_snapshots_read_piece_by_piece_give_the_versions_that_whole_ones_give(
    apart: bool, ordered: bool, lake: str, declare: Callable[..., Any]
) -> None:
    days = stock_of_four_days()
    contract = declare(days["2026-01-01"].schema, ("shop", "number"), dataset="shop/stock", kind="snapshot")
    history = interval_contract(contract, dataset="shop/stock_history", version="1.0.0", moment=pl.Date())
    source = DatasetHistory(f"{lake}/source", "shop/stock")
    drafts = [Draft.of(day, rows, contract) for day, rows in days.items()]
    if not ordered:  # which the kit never writes
        drafts = [
            Draft(day, lambda rows=rows: (rows.reverse(),), rows.height, content_hash([rows], contract.dtypes))
            for day, rows in days.items()
        ]
    for together in [[d] for d in drafts] if apart else [drafts]:
        source.commit(together, contract)
    taken: dict[str, DatasetHistory] = {}
    heights: list[int] = []
    for how in ("whole", "in pieces"):
        taken[how] = DatasetHistory(f"{lake}/{how}", "shop/stock_history")
        with pytest.MonkeyPatch.context() as patch:
            if how == "in pieces":
                read_little_at_once(patch)

                def recorded(chunks: Any, dtypes: Any) -> str:
                    held = list(chunks)
                    heights.extend(chunk.height for chunk in held)
                    return content_hash(held, dtypes)

                patch.setattr(intervals, "content_hash", recorded)
            incorporate(taken[how], history, source, contract, list(days), date.fromisoformat)
    whole, pieces = (taken[how].current() for how in ("whole", "in pieces"))
    assert [whole[day].rows for day in days] == [40, 4, 33, 27]
    assert {day: v.content_hash for day, v in pieces.items()} == {day: v.content_hash for day, v in whole.items()}
    for day in days:
        assert taken["in pieces"].collect([pieces[day]]).equals(taken["whole"].collect([whole[day]]))
    taken["in pieces"].verify(pieces.values())
    assert heights
    assert not apart or max(heights) <= 3


DAYS = [f"2026-01-{d:02}" for d in range(1, 6)]
ROWS = st.tuples(
    st.sampled_from([None, "", "x", "y"]), st.sampled_from([None, (), ("a",), (None,)]), st.none()
).map(lambda r: (r[0], None if r[1] is None else list(r[1]), r[2]))  # fmt: skip
SNAPSHOT = st.dictionaries(st.sampled_from("abc"), ROWS, max_size=3)
STEP = st.tuples(
    st.dictionaries(st.sampled_from(DAYS), SNAPSHOT, max_size=3),  # published, again or anew
    st.sets(st.sampled_from(DAYS), min_size=1, max_size=3),  # asked for, as far as they are there
)


@settings(max_examples=max(12, int(os.environ.get("CRASH_SEEDS", "12"))), deadline=None)
@given(steps=st.lists(STEP, min_size=1, max_size=5), large=st.booleans())
def test_any_order_of_days_late_twice_or_changed_gives_the_intervals_of_the_right_order(steps: list[Any], large: bool) -> None:
    with tempfile.TemporaryDirectory() as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAPRODUCTS_HOME", home)
        if large:
            read_little_at_once(patch)
        world = World(f"{home}/lake")
        published: dict[str, Snapshot] = {}
        inside: set[str] = set()
        seen: list[tuple[datetime, list[Interval]]] = []
        for snapshots, asked in steps:
            for day, snapshot in snapshots.items():
                world.publish(day, snapshot)
            published |= snapshots
            days = sorted(asked & published.keys(), key=hash)  # in no particular order
            if not days:
                continue
            done = world.take_in(*days)
            assert {c.version.partition for c in done} >= set(days)
            inside |= set(days)
            expected = brute_force({day: published[day] for day in inside})
            assert read() == expected
            seen.append((max(v.known_at for v in world.history.versions()), expected))
        for moment, known in dict(seen).items():
            assert read(as_of=moment) == known
        for day in DAYS:
            assert [v.number for v in world.history.versions(day)] == list(range(1, len(world.history.versions(day)) + 1))
