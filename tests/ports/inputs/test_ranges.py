"""A column that only grows: every row in one partition, ranges without gap or overlap, and what came late is told."""

from __future__ import annotations

import os
import random
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import DeclarationError
from dataproducts.history.store import DatasetHistory
from tests.ports.inputs.conftest import DAYS, Fed, Source

SEEDS = min(20, int(os.environ.get("CRASH_SEEDS", "3")))


class Sale(pa.DataFrameModel):
    """What was sold."""

    id: int = dp.column("Number.", source="id")
    shop: str = dp.column("Where.", source="shop", nullable=True)


class Timed(pa.DataFrameModel):
    """What was sold, and when."""

    id: int = dp.column("Number.", source="id")
    at: Annotated[pl.Datetime, "us", "UTC"] = dp.column("When.", source="at", time_zone="UTC")


def by_id(**more: Any) -> dp.Database:
    return dp.Database("sales", variable="SHOP_URL", **{"table": "sales", "since": "id", **more})


def day(number: int) -> str:
    return str(date(2026, 1, 1) + timedelta(days=number))


def add(source: Source, *ids: int) -> None:
    source.execute(*(f"insert into sales values ({i}, 'Bodø')" for i in ids))


@pytest.fixture
def sales(database: Source) -> Source:
    database.execute("create table sales (id integer, shop varchar(20))")
    return database


def test_each_partition_is_what_came_after_the_one_before(lake: str, sales: Source) -> None:
    fed = Fed(lake, Sale, by_id(), DAYS)
    add(sales, 1, 2, 3)
    (first,) = fed.store(day(0))
    add(sales, 4, 7)
    fed.store(day(1), day(2))
    add(sales, 8)
    fed.store(day(3))
    assert [fed.rows(day(n))["id"].to_list() for n in range(4)] == [[1, 2, 3], [4, 7], [], [8]]
    assert first.note["database"] == {
        "since": "id",
        "window": [f"{day(0)}T00:00:00+00:00", f"{day(1)}T00:00:00+00:00"],
        "from": None,
        "to": 3,
        "rows": 3,
    }
    assert fed.history.versions(day(2))[0].note["database"]["from"] == 7
    assert fed.faults == {}


def test_a_query_is_read_in_ranges(lake: str, sales: Source) -> None:
    query = "select id, shop from sales where shop is not null -- and the others?"
    fed = Fed(lake, Sale, by_id(table=None, query=query), DAYS)
    add(sales, 1)
    fed.store(day(0))
    add(sales, 2)
    sales.execute("insert into sales values (3, null)")
    fed.store(day(1))
    assert fed.rows(day(1))["id"].to_list() == [2]


def test_a_partition_begins_where_the_one_before_ended_and_needs_it(lake: str, sales: Source) -> None:
    add(sales, 1)
    fed = Fed(lake, Sale, by_id(), DAYS)
    said = fed.refused(day(2))
    assert f"begins where '{day(1)}' ended, and that has not been materialized; materialize '{day(0)}' first" in said
    tomorrow = DAYS.get_partition_key_for_timestamp(datetime.now(UTC).timestamp())
    assert "is not over before" in fed.refused(tomorrow)


def test_a_partition_made_again_reads_its_own_range_again(lake: str, sales: Source) -> None:
    fed = Fed(lake, Sale, by_id(), DAYS)
    add(sales, 1, 2)
    fed.store(day(0))
    add(sales, 3)
    fed.store(day(1))
    sales.execute("update sales set shop = 'Vadsø' where id = 2")
    (again,) = fed.store(day(0))
    assert again.number == 2
    assert fed.rows(day(0)).rows() == [(1, "Bodø"), (2, "Vadsø")]
    assert fed.rows(day(1))["id"].to_list() == [3]


def test_a_source_that_has_moved_on_says_so_and_keeps_what_is_stored(lake: str, sales: Source) -> None:
    fed = Fed(lake, Sale, by_id(), DAYS)
    add(sales, 1, 2)
    fed.store(day(0))
    sales.execute("delete from sales where id = 1")
    said = fed.refused(day(0))
    assert "has 1 rows of the recorded range and had 2 when it was read; the source has moved on" in said
    assert fed.rows(day(0)).height == 2


def test_rows_that_came_late_fail_the_check_until_they_are_read(lake: str, sales: Source) -> None:
    fed = Fed(lake, Sale, by_id(), DAYS)
    add(sales, 1, 5)
    fed.store(day(0))
    add(sales, 3, 6)  # 3 was taken from the sequence before 5, and committed after it
    fed.store(day(1))
    assert fed.rows(day(1))["id"].to_list() == [6]
    (said,) = fed.faults["source"].values()
    assert f"1 rows came into the range of '{day(0)}' after it was read; materialize that again" in said
    fed.store(day(0))
    assert fed.rows(day(0))["id"].to_list() == [1, 3, 5]
    fed.store(day(2))
    assert fed.faults == {}


def test_a_source_that_was_set_back_fails_the_check(lake: str, sales: Source) -> None:
    fed = Fed(lake, Sale, by_id(), DAYS)
    add(sales, 1, 2, 3)
    fed.store(day(0))
    sales.execute("delete from sales where id > 1")
    fed.store(day(1))
    (said,) = fed.faults["source"].values()
    assert "the newest id is 1, and it was read to 3" in said


def test_rows_without_a_place_fail_the_check(lake: str, sales: Source) -> None:
    add(sales, 1)
    sales.execute("insert into sales values (null, 'Bodø')")
    fed = Fed(lake, Sale, by_id(), DAYS)
    fed.store(day(0))
    assert "1 rows have no id and are never read" in fed.faults["source"][day(0)]


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_times_stay_within_their_partition(lake: str, database: Source, kind: str) -> None:
    offset = "+00:00" if kind == "timestamptz" and database.is_postgres else ""
    database.execute(f"create table sales (id integer, at {kind if database.is_postgres else 'text'})")

    def put(number: int, at: str) -> None:
        database.execute(f"insert into sales values ({number}, '{at}{offset}')")

    for number, at in enumerate([f"{day(0)} 08:00:00", f"{day(0)} 23:59:59.999999", f"{day(1)} 00:00:00", f"{day(2)} 12:30:00"]):
        put(number, at)
    fed = Fed(lake, Timed, by_id(since="at"), DAYS)
    fed.store(*[day(n) for n in range(4)])
    assert [fed.rows(day(n))["id"].to_list() for n in range(4)] == [[0, 1], [2], [3], []]
    put(9, f"{day(1)} 00:00:00")
    fed.store(day(2))  # made again: its range is known, and it looks at nothing else
    fed.store(day(1))
    assert fed.rows(day(1))["id"].to_list() == [2, 9]


def test_decimals_and_dates_are_recorded_exactly(lake: str, pg: Source) -> None:
    pg.execute(
        "create table sales (id integer, shop text, place numeric(30,10), day date)",
        "insert into sales values (1, 'a', 0.1000000001, '2026-01-01')",
    )
    fed = Fed(lake, Sale, by_id(since="place"), DAYS)
    fed.store(day(0))
    pg.execute("insert into sales values (2, 'b', 0.1000000002, '2026-01-02'), (3, 'c', 0.1000000001, '2026-01-02')")
    fed.store(day(1))
    assert fed.rows(day(1))["id"].to_list() == [2]
    assert fed.history.versions(day(1))[0].note["database"]["to"] == {"number": "0.1000000002"}
    other = Fed(f"{lake}-2", Sale, by_id(since="day"), DAYS)
    other.store(day(0), day(1))
    assert [other.rows(day(n))["id"].to_list() for n in range(2)] == [[1], [2, 3]]


def test_a_partition_that_breaks_the_contract_holds_up_those_after_it(lake: str, sales: Source) -> None:
    class Strict(Sale):
        shop: str = dp.column("Where.", source="shop", isin=["Bodø"])

    fed = Fed(lake, Strict, by_id(), DAYS)
    add(sales, 1)
    fed.store(day(0))
    sales.execute("insert into sales values (2, 'Oslo')")
    report = fed.run(day(1), day(2))
    assert [o.error is not None for o in report.outcomes.values()] == [True, True]
    assert "has not been materialized" in report.outcomes[day(2)].error
    sales.execute("update sales set shop = 'Bodø'")
    fed.store(day(1), day(2))
    assert fed.rows(day(1))["id"].to_list() == [2]


def test_a_run_that_was_overtaken_begins_where_the_other_ended(lake: str, sales: Source) -> None:
    """Between reading and storing, another run makes the partition before again and takes more into it."""
    add(sales, 1)
    first, second = Fed(lake, Sale, by_id(), DAYS), Fed(lake, Sale, by_id(), DAYS)
    first.store(day(0))
    add(sales, 2)
    tried: list[int] = []

    def function(rows: dp.Rows) -> Any:
        frame = rows.frame()
        tried.append(frame.height)
        if len(tried) == 1:
            second.store(day(1))
            add(sales, 3)
            second.store(day(2))
        return frame

    first.store(day(1), function=function)
    assert [first.rows(day(n))["id"].to_list() for n in range(3)] == [[1], [2], [3]]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_order_of_writes_and_runs_gives_every_row_once(lake: str, sqlite: Source, seed: int) -> None:
    """Seeded: rows are added, runs take some partitions (again), and some fail; what is stored is every row up to the last range, once."""
    print(f"seed {seed}: CRASH_SEEDS={seed + 1} pytest {__file__}")
    rng = random.Random(seed)
    sqlite.execute("create table sales (id integer, shop varchar(20))")
    fed = Fed(lake, Sale, by_id(), DAYS)
    written: list[int] = []
    done = 0
    for _ in range(12):
        new = [len(written) + 1 + n for n in range(rng.randrange(5))]
        add(sqlite, *new)
        written += new
        if rng.random() < 0.3 and done:
            again = rng.randrange(done)
            before = fed.rows(day(again))
            fed.store(day(again))
            assert fed.rows(day(again)).equals(before)
        keys = [day(done + n) for n in range(rng.randint(1, 3))]
        fails_at = rng.choice([*keys, *[""] * 6])

        def function(rows: dp.Rows, fails_at: str = fails_at) -> Any:
            frame = rows.frame()
            if rows.partition == fails_at:
                raise OSError("the author's code")
            return frame

        try:
            report = fed.run(*keys, function=function)
        except OSError:
            continue
        done += sum(o.committed is not None for o in report.outcomes.values())
        assert [fed.history.current().get(day(n)) is not None for n in range(done + 1)] == [True] * done + [False]
    stored = [i for n in range(done) for i in fed.rows(day(n))["id"].to_list()]
    assert stored == sorted(set(stored)) == written[: len(stored)]
    links = [DatasetHistory(lake, "shop/sales").versions(day(n))[-1].note["database"] for n in range(done)]
    assert all(left["to"] == right["from"] for left, right in zip(links, links[1:], strict=False))


def test_only_parts_of_a_table_can_be_ranges(lake: str) -> None:
    with pytest.raises(DeclarationError, match="leave kind='snapshot' out"):
        Fed(lake, Sale, by_id(), DAYS, "snapshot", "id").contract

    class Personal(Sale):
        id: int = dp.column("A person.", source="id", personal="directly_identifying")

    with pytest.raises(DeclarationError, match="is recorded for all to see and is classed directly_identifying"):
        Fed(lake, Personal, by_id(), DAYS).contract
