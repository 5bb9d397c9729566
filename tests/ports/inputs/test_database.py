"""A database as a source: types exact, one state per partition, nothing written, and every error one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
import sqlalchemy as sa

import dataproducts as dp
from dataproducts.errors import DeclarationError
from dataproducts.ports.inputs import sql
from tests.ports.inputs.conftest import DAYS, Fed, Source

Time = Annotated[pl.Datetime, "us", "UTC"]


class Sale(pa.DataFrameModel):
    """What was sold."""

    id: int = dp.column("Number.", source="id")
    shop: str = dp.column("Where.", source="shop", nullable=True)
    amount: Annotated[pl.Decimal, 18, 2] = dp.column("How much.", source="amount")


SALES = (
    "create table sales (id integer primary key, shop varchar(20), amount varchar(20))",
    "insert into sales values (1, 'Bodø', '10.10'), (2, null, '0.05'), (3, 'Vadsø', '-1234567890123456.78')",
)


def whole(**more: Any) -> dp.Database:
    return dp.Database("sales", **{"variable": "SHOP_URL", "table": "sales", **more})


def test_a_table_is_read_whole(lake: str, database: Source) -> None:
    database.execute(*SALES)
    fed = Fed(lake, Sale, whole(), key="id")
    (version,) = fed.store()
    assert fed.rows().rows() == [
        (1, "Bodø", Decimal("10.10")),
        (2, None, Decimal("0.05")),
        (3, "Vadsø", Decimal("-1234567890123456.78")),
    ]
    assert version.note["rows_read"] == 3
    assert fed.store() == [version], "the same content is no new version"
    database.execute("update sales set shop = 'Ytre Vadsø' where id = 3")
    assert fed.store()[0].number == 2


def test_a_query_is_read_as_written(lake: str, database: Source) -> None:
    database.execute(*SALES)
    query = "-- by shop\nselect max(id) as id, shop, '1.00' as amount\nfrom sales where shop like '%ø%' group by shop order by id;\n"
    fed = Fed(lake, Sale, whole(table=None, query=query), key="id")
    fed.store()
    assert fed.rows()["shop"].to_list() == ["Bodø", "Vadsø"]


def test_columns_that_the_contract_does_not_name_are_not_asked_for(lake: str, database: Source) -> None:
    database.execute(*SALES, "alter table sales add column secret varchar(20) default 'x'")
    fed = Fed(lake, Sale, whole())
    fed.store()
    assert fed.rows().columns == ["id", "shop", "amount"]


class Everything(pa.DataFrameModel):
    """One column of each type."""

    small: int = dp.column("smallint.")
    big: int = dp.column("bigint.")
    exactly: Annotated[pl.Decimal, 38, 10] = dp.column("numeric.")
    wide: str = dp.column("A number of more digits than a decimal has.")
    about: float = dp.column("double precision.")
    yes: bool = dp.column("boolean.")
    text: str = dp.column("text.")
    day: pl.Date = dp.column("date.")
    at: Time = dp.column("timestamptz.")
    local: Time = dp.column("timestamp, Norwegian.", time_zone="Europe/Oslo", source="local")
    raw: pl.Binary = dp.column("bytea.")
    clock: str = dp.column("time.")
    uuid: str = dp.column("uuid.")
    document: str = dp.column("jsonb.")
    tags: Annotated[pl.List, pl.String()] = dp.column("text[].")
    nothing: str = dp.column("null.", nullable=True)


def test_types_of_postgresql_are_kept_exactly(lake: str, pg: Source) -> None:
    pg.execute(
        """create table everything as select
        (-32768)::smallint as small, 9223372036854775807 as big, 1234567890123456789012345678.0123456789::numeric as exactly,
        '12345678901234567890123456789012345678901.5'::numeric as wide, 0.1::double precision as about, true as yes,
        'blåbær' as text, date '2026-01-02' as day, timestamptz '2026-01-02 03:04:05.678901+05:30' as at,
        timestamp '2026-07-01 12:00:00' as local, '\\xff00'::bytea as raw, time '01:02:03' as clock,
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid as uuid, '{"a": [1, "ø"]}'::jsonb as document, array['x', null] as tags,
        null::text as nothing"""
    )
    fed = Fed(lake, Everything, dp.Database("everything", variable="SHOP_URL", table="public.everything"))
    fed.store()
    (row,) = fed.rows().to_dicts()
    assert row["exactly"] == Decimal("1234567890123456789012345678.0123456789")
    assert row["wide"] == "12345678901234567890123456789012345678901.5"
    assert (row["small"], row["big"], row["about"], row["yes"]) == (-32768, 2**63 - 1, 0.1, True)
    assert (row["text"], row["day"], row["raw"], row["clock"]) == ("blåbær", date(2026, 1, 2), b"\xff\x00", "01:02:03")
    assert row["at"] == datetime(2026, 1, 1, 21, 34, 5, 678901, tzinfo=UTC)
    assert row["local"] == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert row["uuid"] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    assert json.loads(row["document"]) == {"a": [1, "ø"]}
    assert (row["tags"], row["nothing"]) == (["x", None], None)


def test_values_that_lose_something_are_refused_and_not_rounded(lake: str, pg: Source) -> None:
    pg.execute("create table sales (id int, shop text, amount numeric)", "insert into sales values (1, 'Bodø', 1.005), (2, 'Bodø', 1.5)")
    assert "amount_type: 1" in Fed(lake, Sale, whole()).refused()


def test_sqlite_may_hold_anything_in_any_column(lake: str, sqlite: Source) -> None:
    sqlite.execute("create table sales (id, shop, amount)", "insert into sales values (1, 5, '1.5'), ('2', 'Bodø', 2), (3, x'00', 'many')")
    fed = Fed(lake, Sale, whole(), limits=dp_limits(refused_share=1.0))
    (version,) = fed.store()
    assert fed.rows().rows() == [(1, "5", Decimal("1.50")), (2, "Bodø", Decimal("2.00"))]
    assert version.note["refused"] == 1


def dp_limits(**more: Any) -> Any:
    from dataproducts.materialization import Limits

    return Limits(row_change=None, **more)


def test_many_rows_stream_in_bounded_pieces(lake: str, database: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = (
        "generate_series(1, 30000)"
        if database.is_postgres
        else "(with recursive n(i) as (select 1 union all select i + 1 from n where i < 30000) select i from n)"
    )
    name = "n(i)" if database.is_postgres else ""
    database.execute(SALES[0], f"insert into sales select i, 'Bodø', '1.50' from {numbers} {name}")
    monkeypatch.setattr(sql, "BATCH_CELLS", 9_000)
    heights: list[int] = []

    def function(rows: dp.Rows) -> Any:
        for frame in rows:
            heights.append(len(frame))
            yield frame

    fed = Fed(lake, Sale, whole(), key="id")
    fed.store(function=function)
    assert heights == [3000] * 10
    assert fed.rows()["id"].sum() == 30000 * 30001 // 2


def test_a_partition_is_one_state_while_others_write(lake: str, pg: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    pg.execute(SALES[0], "insert into sales select i, 'Bodø', '1.50' from generate_series(1, 6000) n(i)")
    monkeypatch.setattr(sql, "BATCH_CELLS", 3_000)

    def function(rows: dp.Rows) -> Any:
        for number, frame in enumerate(rows):
            if number == 0:
                pg.execute("update sales set shop = 'Vadsø'", "insert into sales values (9000, 'Vadsø', '1.00')")
            yield frame

    fed = Fed(lake, Sale, whole(), key="id")
    fed.store(function=function)
    assert fed.rows()["shop"].unique().to_list() == ["Bodø"]
    assert fed.rows().height == 6000


def test_a_source_cannot_be_written_to(lake: str, database: Source) -> None:
    database.execute(*SALES)
    text = "delete from sales returning id, shop, amount"
    assert "nothing was stored" in Fed(lake, Sale, whole(table=None, query=text)).refused()
    if database.is_postgres:
        database.execute("create function wipe() returns int language sql as 'delete from sales; select 1'")
        said = Fed(lake, Sale, whole(table=None, query="select wipe() as id, null as shop, '1' as amount")).refused()
        assert "a source is only read: make it a SELECT" in said
    fed = Fed(lake, Sale, whole())
    fed.store()
    assert fed.rows().height == 3


# Partitions by parameters


def test_a_partition_is_bound_and_never_written_into_the_text(lake: str, database: Source) -> None:
    database.execute(*SALES)
    hostile = "Bodø' or '1'='1"
    shops = dg.StaticPartitionsDefinition(["Bodø", hostile])
    fed = Fed(lake, Sale, whole(table=None, query="select id, shop, amount from sales where shop = :partition"), shops)
    fed.store("Bodø", hostile)
    assert fed.rows("Bodø")["id"].to_list() == [1]
    assert fed.rows(hostile).height == 0


def test_the_times_of_a_partition_are_bound(lake: str, pg: Source) -> None:
    pg.execute(
        "create table sales (id int, shop text, amount numeric, at timestamptz)",
        "insert into sales values (1, 'a', 1, '2026-01-01 23:59:59+00'), (2, 'a', 1, '2026-01-02 00:00+00'), (3, 'a', 1, '2026-01-03 00:00+00')",
    )
    query = "select id, shop, amount from sales where at >= :partition_start and at < :partition_end"
    fed = Fed(lake, Sale, whole(table=None, query=query), DAYS)
    fed.store("2026-01-01", "2026-01-02")
    assert (fed.rows("2026-01-01")["id"].to_list(), fed.rows("2026-01-02")["id"].to_list()) == ([1], [2])


# Snapshots


def test_a_snapshot_is_taken_in_its_own_time_and_no_other(lake: str, database: Source) -> None:
    database.execute(*SALES, "create table today (day date)", "insert into today values ('2026-01-02')")
    fed = Fed(lake, Sale, whole(moment="select day from today"), DAYS, "snapshot", "id")
    fed.store("2026-01-02")
    said = fed.refused("2026-01-01")
    assert "is at 2026-01-02 00:00 and no longer shows that time; what is stored stays as it is" in said
    assert fed.faults == {"source": {"2026-01-01": said}}
    assert "has not come to it yet; materialize it then" in fed.refused("2026-01-03")
    database.execute("update today set day = '2026-01-03'", "delete from sales where id = 2")
    fed.store("2026-01-03")
    assert (fed.rows("2026-01-02").height, fed.rows("2026-01-03").height) == (3, 2)


def test_without_a_moment_the_newest_partition_is_the_only_one(lake: str, sqlite: Source) -> None:
    sqlite.execute(*SALES)
    fed = Fed(lake, Sale, whole(), DAYS, "snapshot", "id")
    fed.store(DAYS.get_last_partition_key())
    assert "no longer shows that time" in fed.refused("2026-01-01")


# What an author may do with them


def test_rows_have_to_be_taken_to_the_end_and_once(lake: str, sqlite: Source) -> None:
    sqlite.execute(*SALES)
    fed = Fed(lake, Sale, whole())
    assert "did not take all rows" in fed.refused(function=lambda _: pl.DataFrame(schema=dict(fed.contract.dtypes)))
    assert "gone through twice" in fed.refused(function=lambda rows: [*rows, *rows])
    fed.store(function=lambda rows: rows.frame().lazy().filter(pl.col("id") > 1))
    assert fed.rows().height == 2


# What is wrong


def test_what_the_database_refuses_is_one_sentence(lake: str, database: Source) -> None:
    database.execute(*SALES)
    said = Fed(lake, Sale, whole(table="salse")).refused()
    assert "salse" in said
    assert "correct the table's name; nothing was stored" in said
    database.execute("alter table sales rename column shop to store")
    if database.is_postgres:  # SQLite reads an unknown name in quotes as a text
        said = Fed(lake, Sale, whole()).refused()
        assert 'column "shop" does not exist' in said
        assert "correct the column's name, in the query or as source= of a column" in said
    assert "correct the query" in Fed(lake, Sale, whole(table=None, query="select id,, from sales")).refused()
    said = Fed(lake, Sale, whole(table=None, query="select id, id from sales")).refused()
    assert "the query gives the column 'id' twice; give one of the two another name with AS" in said
    assert all("\n" not in text for text in (said,))


def test_a_server_that_does_not_let_us_in(lake: str, pg: Source, postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pg.execute(*SALES, "create role reader login password 'hemmelig'")
    fed = Fed(lake, Sale, whole())
    name = sa.make_url(pg.url).database
    monkeypatch.setenv("SHOP_URL", f"postgresql://reader:hemmelig@/{name}?host={postgres.folder}")
    said = fed.refused()
    assert "permission denied for table sales; have its owner grant SELECT to the user of that address" in said
    monkeypatch.setenv("SHOP_URL", f"postgresql://nobody:hemmelig@/{name}?host={postgres.folder}")
    said = fed.refused()
    assert said.startswith("shop/sales: the database of SHOP_URL does not let us in (")
    assert "hemmelig" not in said
    monkeypatch.setenv("SHOP_URL", f"postgresql://reader:hemmelig@/nowhere?host={postgres.folder}")
    assert 'database "nowhere" does not exist' in fed.refused()


def test_a_wrong_password_is_not_repeated(lake: str, pg: Source, postgres: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pg.execute(*SALES, "create role guarded login password 'right'")
    access = postgres.folder / "data" / "pg_hba.conf"
    kept = access.read_text()
    access.write_text(f"local all guarded scram-sha-256\n{kept}")
    try:
        pg.execute("select pg_reload_conf()")
        name = sa.make_url(pg.url).database
        monkeypatch.setenv("SHOP_URL", f"postgresql://guarded:galtpassord@/{name}?host={postgres.folder}")
        said = Fed(lake, Sale, whole()).refused()
    finally:
        access.write_text(kept)
        pg.execute("select pg_reload_conf()")
    assert "does not let us in (password authentication failed for user" in said
    assert "galtpassord" not in said


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "SHOP_URL is not set; it has to give the address of a database"),
        ("no address, with hemmelig", "SHOP_URL is not a database address; write it as postgresql://"),
        ("mysql://u:hemmelig@h/d", "SHOP_URL is an address of mysql; databases are read from PostgreSQL and SQLite"),
        ("postgresql://u:hemmelig@127.0.0.1:1/d", "the database of SHOP_URL does not answer; see that it runs and can be reached"),
        ("sqlite:////nowhere/at/all.db", "there is no database file where SHOP_URL points to"),
    ],
)
def test_an_address_that_leads_nowhere(lake: str, monkeypatch: pytest.MonkeyPatch, address: str, words: str) -> None:
    monkeypatch.setenv("SHOP_URL", address)
    said = Fed(lake, Sale, whole()).refused()
    assert words in said
    assert "hemmelig" not in said


def test_a_file_that_is_no_database(lake: str, sqlite: Source) -> None:
    with open(sqlite.url.removeprefix("sqlite:///"), "wb") as file:  # noqa: PTH123
        file.write(b"PK\x03\x04" * 500)
    assert "is no SQLite database, or is damaged" in Fed(lake, Sale, whole()).refused()


def test_a_server_that_goes_away_while_it_is_read(lake: str, pg: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    pg.execute(SALES[0], "insert into sales select i, repeat('x', 20), '1.50' from generate_series(1, 60000) n(i)")
    monkeypatch.setattr(sql, "BATCH_CELLS", 3_000)

    def function(rows: dp.Rows) -> Any:
        for number, frame in enumerate(rows):
            if number == 0:
                pg.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'dataproducts'")
            yield frame

    fed = Fed(lake, Sale, whole())
    assert "does not answer" in fed.refused(function=function)
    fed.store()
    assert fed.rows().height == 60000


def test_nothing_of_the_address_reaches_dagster(
    product: Any, materialize: Callable[..., Any], pg: Source, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pg.execute(*SALES, "create role teller login password 'hemmelig'", "grant select on sales to teller")
    name = sa.make_url(pg.url).database
    monkeypatch.setenv("SHOP_URL", f"postgresql://teller:hemmelig@/{name}?host={postgres.folder}")

    @product.dataset(schema=Sale, key="id", source=whole())
    def sales(rows: dp.Rows) -> dp.Rows:
        return rows

    recorded = materialize(product, "sales")
    assert recorded.success
    assert recorded.checks["source"].passed
    assert recorded.events["shop/sales", None]["rows_read"] == 3
    assert "hemmelig" not in recorded.text
    pg.execute("revoke select on sales from teller")
    failed = materialize(product, "sales")
    assert "grant SELECT" in failed.failure
    assert "hemmelig" not in failed.text


@pytest.mark.parametrize(
    ("more", "partitions", "words"),
    [
        ({"query": "select 1"}, None, "has both table and query; give one of the two"),
        ({"table": None}, None, "has neither table and query"),
        ({"variable": "postgresql://u:p@h/d"}, None, "variable is the name of an environment variable"),
        ({"table": None, "query": "select :day"}, DAYS, "takes :day, and there are :partition, :partition_start, :partition_end"),
        ({"table": None, "query": "select :partition"}, None, "and the dataset has no partitions"),
        ({"table": None, "query": "select '{partition}'"}, DAYS, "write :partition"),
        ({"table": None, "query": "select :partition_end"}, dg.StaticPartitionsDefinition(["a"]), "which are not by time; use :partition"),
        ({}, dg.StaticPartitionsDefinition(["a"]), "gives every partition the same rows; take :partition"),
        ({"since": "id"}, None, "needs partitions by time"),
        ({"table": None, "query": "select :partition", "since": "id"}, DAYS, "has both since and :partition"),
    ],
)
def test_declarations_that_cannot_be(lake: str, more: dict[str, Any], partitions: Any, words: str) -> None:
    with pytest.raises(DeclarationError, match=words.replace("(", r"\(").replace("{", r"\{")):
        Fed(lake, Sale, whole(**more), partitions).contract


def test_a_function_has_to_take_the_rows(product: Any) -> None:
    with pytest.raises(DeclarationError, match="name a parameter 'rows'"):

        @product.dataset(schema=Sale, source=whole())
        def sales() -> list[Any]:
            return []
