"""Dagster's storage on a PostgreSQL server: events that commit late, and a server that goes away in the middle of a backfill.

Runs at once, in processes of their own, are in `tests/test_soak.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
import sqlalchemy as sa
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

import dataproducts as dp
from dataproducts.publication.cursor import Cursor
from dataproducts.publication.reconcile import compare
from dataproducts.publication.sensor import Publication
from dataproducts.retention import forget
from tests import postgres as pg
from tests.catalog.conftest import postgres  # noqa: F401 - a fixture
from tests.publication.conftest import BEGAN, LETTERS, Memory, delivered

CUSTOM = "custom: {module: dataproducts.postgresql, class: PostgresStorage, config: {postgres_url: '%s'}}"
DAGSTERS = "postgres: {postgres_url: '%s'}"


class Row(pa.DataFrameModel):
    """A row."""

    number: int = dp.column("Number of the row.")
    text: str = dp.column("Anything.")

    class Config:
        """One row for each number."""

        unique = "number"


def opened(folder: Path, url: str, storage: str = CUSTOM) -> dg.DagsterInstance:
    folder.mkdir(exist_ok=True)
    (folder / "dagster.yaml").write_text(f"storage: {{{storage % url}}}\ntelemetry: {{enabled: false}}\n", encoding="utf-8")
    return dg.DagsterInstance.from_config(str(folder))


def without_client(url: str) -> str:
    return url.replace("+psycopg", "")


@pytest.fixture(scope="module")
def template(postgres: pg.Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:  # noqa: F811
    """The name of a database with Dagster's tables, to copy."""
    url = without_client(postgres.new())
    with opened(tmp_path_factory.mktemp("template"), url) as instance:
        instance.get_runs(limit=1)
    return str(sa.make_url(url).database)


@pytest.fixture
def log(postgres: pg.Postgres, template: str, tmp_path: Path) -> Iterator[dg.DagsterInstance]:  # noqa: F811
    with opened(tmp_path / "dagster", without_client(postgres.new(template))) as instance:
        yield instance


@pytest.fixture
def catalog() -> Memory:
    return Memory()


@pytest.fixture
def shop(product: Any) -> Any:
    """The product "shop" with the dataset `sales`, which calls `at` with each partition before it gives rows."""
    product.at = lambda partition: None

    @product.dataset(schema=Row, partitions=dg.StaticPartitionsDefinition(LETTERS), partitions_per_run=10)
    def sales(partition: str) -> pl.DataFrame:
        """What was sold."""
        product.at(partition)
        return pl.DataFrame({"number": [1, 2], "text": [partition, "x"]})

    return product


def run(shop: Any, instance: dg.DagsterInstance, keys: list[str]) -> bool:
    tags = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    return dg.materialize([shop.datasets["sales"]], tags=tags, instance=instance, raise_on_error=False).success


def write(connection: sa.Connection, log: Any, said: Any, at: Any) -> None:
    """An event as a run logs it, in the transaction of the connection."""
    event = DagsterEvent(DagsterEventType.ASSET_MATERIALIZATION.value, "runless", event_specific_data=StepMaterializationData(said))
    row = log.event_log_storage._event_to_row(EventLogEntry(None, 20, "", "", at.timestamp(), job_name="runless", dagster_event=event))
    connection.execute(SqlEventLogStorageTable.insert(), [row])


def test_an_event_that_commits_after_one_with_a_higher_id_is_published(shop: Any, catalog: Memory, log: Any) -> None:
    dataset, publisher = shop.datasets["sales"], Publication({"shop": shop}, catalog, "shop", now=lambda: BEGAN + timedelta(seconds=20))
    engine = sa.create_engine(log.event_log_storage.postgres_url, poolclass=sa.NullPool)
    with engine.connect() as slow, slow.begin() as late:
        write(slow, log, delivered(dataset, "p00"), BEGAN)
        with engine.begin() as quick:
            write(quick, log, delivered(dataset, "p01"), BEGAN + timedelta(seconds=1))
        cursor = publisher.tick(log, None).cursor
        assert [m.partition for m in catalog.deliveries] == ["p01"]
        cursor = publisher.tick(log, cursor).cursor
        late.commit()
    publisher.tick(log, cursor)
    assert [m.partition for m in catalog.deliveries] == ["p01", "p00"]
    with engine.connect() as connection:
        ids = dict(connection.execute(sa.select(SqlEventLogStorageTable.c.partition, SqlEventLogStorageTable.c.id)).tuples().all())
    assert ids["p00"] < ids["p01"]


def test_an_event_rolled_back_leaves_a_gap_that_holds_nothing_up(shop: Any, catalog: Memory, log: Any) -> None:
    clock = [BEGAN + timedelta(seconds=20)]
    dataset, publisher = shop.datasets["sales"], Publication({"shop": shop}, catalog, "shop", now=lambda: clock[0])
    engine = sa.create_engine(log.event_log_storage.postgres_url, poolclass=sa.NullPool)
    with engine.connect() as slow, slow.begin() as late:
        write(slow, log, delivered(dataset, "p00"), BEGAN)
        with engine.begin() as quick:
            write(quick, log, delivered(dataset, "p01"), BEGAN)
        late.rollback()
    cursor = publisher.tick(log, None).cursor
    clock[0] += timedelta(minutes=5)
    assert Cursor.read(publisher.tick(log, cursor).cursor).low >= 2


@pytest.mark.parametrize("is_back", [True, False])
def test_a_server_that_restarts_in_the_middle_of_a_backfill_loses_and_doubles_nothing(
    is_back: bool,
    shop: Any,
    catalog: Memory,
    log: Any,
    postgres: pg.Postgres,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Back at once, which a run outlives; or away until the run has failed, which is run again."""
    from dagster_postgres import utils

    monkeypatch.setattr(utils, "calculate_delay", lambda *_, **__: 0.01)  # Dagster waits for seconds between its attempts

    def crash(partition: str) -> None:
        if partition == "p14":
            shop.at = lambda partition: None
            postgres.stop("immediate")
            if is_back:
                postgres.start()

    shop.at = crash
    chunks: list[list[str]] = [LETTERS[first : first + 10] for first in range(0, 40, 10)]
    outcomes: list[bool] = []
    for keys in chunks:
        try:
            outcomes.append(run(shop, log, keys))
        except (sa.exc.OperationalError, utils.DagsterPostgresException):  # it could not even write down that the run has failed
            outcomes.append(False)
            postgres.start()
    assert outcomes == ([True] * 4 if is_back else [True, False, True, True])
    held = shop.datasets["sales"].history().versions()
    assert len({v.partition for v in held}) == len(held)
    assert [run(shop, log, keys) for keys in chunks] == [True] * 4
    publisher = Publication({"shop": shop}, catalog, "shop")
    publisher.tick(log, None)
    versions = shop.datasets["sales"].history().versions()
    assert sorted((v.partition, v.number) for v in versions) == [(key, 1) for key in LETTERS]
    assert {m.partition for m in catalog.deliveries} == set(LETTERS)
    found = compare(log, {"shop": shop}, catalog, "shop")
    assert (found.behind, found.missing) == ([], [])


def test_the_event_log_connects_once_and_again_when_the_server_has_closed_the_connection(log: Any) -> None:
    connected: list[int] = []
    log.report_runless_asset_event(dg.AssetMaterialization("a"))
    sa.event.listen(log.event_log_storage._engine, "connect", lambda *_: connected.append(1))
    for _ in range(5):
        log.report_runless_asset_event(dg.AssetMaterialization("a"))
    assert connected == []
    others = sa.create_engine(log.event_log_storage.postgres_url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with others.connect() as connection:
        mine = "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        connection.execute(sa.text(mine))
    log.report_runless_asset_event(dg.AssetMaterialization("a"))
    assert connected == [1]
    assert len(log.fetch_materializations(dg.AssetKey("a"), limit=50).records) == 7


def test_what_is_old_of_it_is_forgotten_as_of_dagsters_own(log: Any) -> None:
    log.report_engine_event("old", run_id="a-run", job_name="job")
    assert forget(log, 1, datetime.now(UTC) + timedelta(days=2)) == 1


def test_dagsters_sql_needs_the_client_that_its_address_names(
    postgres: pg.Postgres,  # noqa: F811
    template: str,
    tmp_path: Path,
) -> None:
    """Without `+psycopg2` SQLAlchemy chooses psycopg 3, for which `NOTIFY` takes no parameter: every event that is stored fails."""
    url = without_client(postgres.new(template))
    with opened(tmp_path / "wrong", url, DAGSTERS) as instance, pytest.raises(sa.exc.ProgrammingError, match="NOTIFY"):
        instance.report_runless_asset_event(dg.AssetMaterialization("a"))
    with opened(tmp_path / "right", url) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("b"))
        assert len(instance.fetch_materializations(dg.AssetKey("b"), limit=5).records) == 1
