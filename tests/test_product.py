"""A product in Dagster: its histories, schedules, automation and sources, and all of it as plain definitions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import DeclarationError

DAYS = dg.DailyPartitionsDefinition("2026-01-01", timezone="Europe/Oslo")


class Shelf(pa.DataFrameModel):
    """What lies on the shelves."""

    id: int = dp.column("Article.")
    price: float = dp.column("Price.", unit="NOK")


SHELVES = {
    "2026-01-01": {1: 10.0, 2: 20.0},
    "2026-01-02": {1: 10.0, 2: 25.0, 3: 30.0},
    "2026-01-03": {1: 10.0, 3: 30.0},
    "2026-01-04": {1: 11.0, 2: 20.0, 3: 30.0},
}
STORY = [
    (1, 10.0, date(2026, 1, 1), date(2026, 1, 4)),
    (1, 11.0, date(2026, 1, 4), None),
    (2, 20.0, date(2026, 1, 1), date(2026, 1, 2)),
    (2, 25.0, date(2026, 1, 2), date(2026, 1, 3)),
    (2, 20.0, date(2026, 1, 4), None),  # it was away on the third
    (3, 30.0, date(2026, 1, 2), None),
]


def shelves(product: Any, days: dict[str, dict[int, float]] = SHELVES, **settings: Any) -> Any:
    """Declare shop/shelves and its history shop/story."""

    def of_day(partition: str) -> pl.DataFrame:
        return pl.DataFrame(list(days[partition].items()), schema={"id": pl.Int64, "price": pl.Float64}, orient="row")

    of = product.dataset(schema=Shelf, key="id", kind="snapshot", partitions=DAYS, name="shelves", row_change=None)(of_day)
    return product.history(of, name="story", **settings)


def story() -> list[tuple[Any, ...]]:
    return dp.scan("shop/story").sort("id", "valid_from").select("id", "price", "valid_from", "valid_to").collect().rows()


# Histories


@pytest.mark.parametrize("order", list(permutations(SHELVES))[::7], ids=lambda order: "".join(d[-1] for d in order))
def test_a_history_is_the_same_in_whatever_order_its_days_come(order: tuple[str, ...], product: Any, materialize: Any) -> None:
    shelves(product)
    for day in order:
        assert materialize(product, "shelves", "story", partition=day).success
    assert story() == STORY


def test_a_history_is_the_same_when_its_days_come_in_one_run(product: Any, materialize: Any) -> None:
    shelves(product)
    run = materialize(product, "shelves", "story", span=("2026-01-01", "2026-01-04"))
    assert {p for name, p in run.events if name == "shop/story"} == set(SHELVES)
    assert story() == STORY


def test_a_day_that_comes_late_mends_its_neighbour_which_gets_an_event_too(product: Any, materialize: Any) -> None:
    shelves(product)
    for day in ("2026-01-01", "2026-01-03", "2026-01-04"):
        assert materialize(product, "shelves", "story", partition=day).success
    run = materialize(product, "shelves", "story", partition="2026-01-02")
    told = {p: e for (name, p), e in run.events.items() if name == "shop/story"}
    assert set(told) == {"2026-01-02", "2026-01-03"}
    assert told["2026-01-03"]["dataproducts/version"] == 2
    assert told["2026-01-03"]["dataproducts/inputs"] == {"shop/shelves": [["2026-01-02", 1], ["2026-01-03", 1]]}
    assert "2026-01-03 follows a changed neighbour and was mended" in run.text
    assert story() == STORY


def test_a_day_again_with_the_same_content_changes_nothing_and_says_so(product: Any, materialize: Any) -> None:
    shelves(product)
    materialize(product, "shelves", "story", span=("2026-01-01", "2026-01-04"))
    before = dp.versions("shop/story")
    run = materialize(product, "shelves", "story", partition="2026-01-02")
    assert "unchanged" in run.events[("shop/story", "2026-01-02")]
    assert dp.versions("shop/story") == before


def test_a_day_again_with_other_content_gives_what_that_content_would_have_given(product: Any, materialize: Any) -> None:
    days = {**SHELVES, "2026-01-02": {9: 1.0}}
    shelves(product, days)
    materialize(product, "shelves", "story", span=("2026-01-01", "2026-01-04"))
    assert story() != STORY
    days["2026-01-02"] = SHELVES["2026-01-02"]
    run = materialize(product, "shelves", "story", partition="2026-01-02")
    assert {p for name, p in run.events if name == "shop/story"} == {"2026-01-02", "2026-01-03"}
    assert story() == STORY


def test_a_history_of_a_day_without_a_snapshot_fails_and_keeps_its_neighbours(product: Any, materialize: Any) -> None:
    shelves(product)
    materialize(product, "shelves", span=("2026-01-01", "2026-01-02"))
    run = materialize(product, "story", span=("2026-01-01", "2026-01-03"))
    assert run.failure == (
        "shop/story: 1 of 3 partitions failed, 2 are stored: shop/story: shop/shelves has no partition '2026-01-03'; materialize that first"
    )
    assert set(run.events) == {("shop/story", "2026-01-01"), ("shop/story", "2026-01-02")}


def test_a_history_of_hours_is_in_utc_however_the_hours_are_named(product: Any, materialize: Any) -> None:
    hours = dg.HourlyPartitionsDefinition("2026-01-01-00:00", timezone="Europe/Oslo")
    prices = {"2026-01-01-00:00": 1.0, "2026-01-01-01:00": 2.0}

    @product.dataset(schema=Shelf, key="id", kind="snapshot", partitions=hours)
    def shelves(partition: str) -> list[dict[str, Any]]:
        return [{"id": 1, "price": prices[partition]}]

    product.history(shelves, name="story")
    assert materialize(product, "shelves", "story", span=("2026-01-01-00:00", "2026-01-01-01:00")).success
    midnight, one = datetime(2025, 12, 31, 23, tzinfo=UTC), datetime(2026, 1, 1, 0, tzinfo=UTC)
    assert story() == [(1, 1.0, midnight, one), (1, 2.0, one, None)]


def test_a_history_carries_keys_columns_and_lineage_of_its_snapshots(product: Any) -> None:
    history = shelves(product)
    spec = history.get_asset_spec()
    assert history.contract.key == ("id", "valid_from")
    assert history.contract.names == ("id", "price", "valid_from", "valid_to")
    assert [d.asset_key for d in spec.deps] == [dg.AssetKey(["shop", "shelves"])]
    assert spec.metadata["dagster/column_lineage"].deps_by_column["price"] == [dg.TableColumnDep(dg.AssetKey(["shop", "shelves"]), "price")]
    assert spec.metadata["dataproducts/kind"] == "history"
    assert "scd2" in spec.kinds
    assert {c.name for c in history.check_specs} == {"shape", "row_count"}


def test_only_successive_snapshots_have_a_history(product: Any) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "table": {"partitions": DAYS},
        "uncut": {"kind": "snapshot"},
        "static": {"kind": "snapshot", "partitions": dg.StaticPartitionsDefinition(["a"])},
    }
    for name, settings in kinds.items():
        of = product.dataset(schema=Shelf, key="id", name=name, **settings)(list)
        with pytest.raises(DeclarationError, match=f"shop/{name}: a history needs successive snapshots"):
            product.history(of)
    keyless = product.dataset(schema=Shelf, kind="snapshot", partitions=DAYS, name="keyless")(list)
    with pytest.raises(DeclarationError, match="shop/keyless has no key"):
        product.history(keyless)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"kind": "snap"}, "shop/shelves: kind is 'snap'; write 'table' or 'snapshot'"),
        ({"quarantine": 5}, "shop/shelves: quarantine is 5; write the share of rows"),
        ({"access": "public"}, "shop/shelves: access is 'public'; write one of open, internal, restricted"),
        ({"freshness": "1 day"}, "shop/shelves: freshness is '1 day'; write how old it may be"),
        ({"inputs": ["sales"]}, "shop/shelves: inputs has 'sales'; give the dataset itself"),
        ({"ports": ["bigquery"]}, "shop/shelves: ports has 'bigquery'; write it as dp.BigQuery()"),
        ({"schedule": "every day"}, "shop/shelves: schedule is 'every day', no cron line of 5 fields"),
        ({"schedule": "@daily"}, "shop/shelves: schedule is '@daily', no cron line of 5 fields"),
    ],
)
def test_a_setting_of_the_wrong_kind_is_named_where_it_is_written(product: Any, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        product.dataset(schema=Shelf, key="id", name="shelves", **given)(list)
    assert str(refused.value).startswith(sentence)
    assert product.datasets == {}


# Definitions


def test_everything_of_a_product_is_plain_definitions(product: Any) -> None:
    @product.dataset(schema=Shelf, key="id", source=dp.Source("till", "The tills.", "https://example.com/till"))
    def sales() -> pl.DataFrame: ...

    product.dataset(schema=Shelf, key="id", source=dp.Source("till"), name="again")(list)
    shelves(product, automation=dg.AutomationCondition.eager())
    found = product.definitions()
    again = product.definitions()
    dg.Definitions.validate_loadable(found)
    graph = found.resolve_asset_graph()
    names = {"sales", "again", "shelves", "story"}
    assert {k.path[-1] for k in graph.executable_asset_keys} == names
    assert {k.to_user_string() for k in graph.get_all_asset_keys()} == {*(f"shop/{n}" for n in names), "shop/source/till"}
    assert not graph.get(dg.AssetKey(["shop", "source", "till"])).is_executable
    assert len(list(again.sensors or ())) == len(list(found.sensors or ())) == 1


def test_what_is_added_goes_where_it_belongs(product: Any) -> None:
    dataset = product.dataset(schema=Shelf, key="id", partitions=DAYS, name="shelves")(list)
    job = dg.define_asset_job("all_of_it", selection=[dataset.key], partitions_def=DAYS)

    @dg.sensor(job=job)
    def watch() -> None: ...

    @dg.asset_check(asset=dataset.key)
    def by_hand() -> dg.AssetCheckResult: ...

    @dg.asset(group_name="shop")
    def report() -> None: ...

    product.add(job, watch, by_hand, report, dg.AssetSpec("external"))
    product.add(dg.ScheduleDefinition(name="daily", cron_schedule="0 6 * * *", job=job), dg.build_schedule_from_partitioned_job(job))
    definitions = product.definitions()
    dg.Definitions.validate_loadable(definitions)
    repository = definitions.get_repository_def()
    assert {s.name for s in repository.schedule_defs} == {"daily", "all_of_it_schedule"}
    assert {s.name for s in repository.sensor_defs} == {"watch"}
    assert repository.has_job("all_of_it")
    assert dg.AssetKey("report") in repository.asset_graph.executable_asset_keys
    assert dg.AssetCheckKey(dataset.key, "by_hand") in repository.asset_graph.asset_check_keys


def test_an_automation_sensor_of_the_product_is_on_from_the_start(product: Any) -> None:
    shelves(product, automation=dg.AutomationCondition.eager())
    (sensor,) = product.definitions().get_repository_def().sensor_defs
    assert sensor.name == "shop_automation"
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


def test_a_product_without_automation_has_no_sensor(product: Any) -> None:
    shelves(product)
    assert product.definitions().get_repository_def().sensor_defs == []


# Schedules

NOON = datetime(2026, 1, 6, 12, 0, tzinfo=UTC)


def tick(product: Any, instance: Any, at: datetime = NOON) -> list[str | None]:
    repository = product.definitions().get_repository_def()
    (schedule,) = repository.schedule_defs
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at, repository_def=repository)
    return [request.partition_key for request in schedule.evaluate_tick(context).run_requests or []]


def areas() -> dg.StaticPartitionsDefinition:
    return dg.StaticPartitionsDefinition(["north", "south"])


SCHEDULED: dict[str, tuple[Callable[[], Any], list[str | None]]] = {
    "none": (lambda: None, [None]),
    "daily": (lambda: DAYS, ["2026-01-05"]),
    "today too": (lambda: dg.DailyPartitionsDefinition("2026-01-01", timezone="Europe/Oslo", end_offset=1), ["2026-01-06"]),
    "hourly": (lambda: dg.HourlyPartitionsDefinition("2026-01-01-00:00", timezone="Europe/Oslo"), ["2026-01-06-12:00"]),
    "static": (areas, ["north", "south"]),
    "multi": (lambda: dg.MultiPartitionsDefinition({"day": DAYS, "area": areas()}), ["north|2026-01-05", "south|2026-01-05"]),
    "dynamic": (lambda: dg.DynamicPartitionsDefinition(name="files"), ["a.csv", "b.csv"]),
    "not yet": (lambda: dg.DailyPartitionsDefinition("2026-06-01"), []),
}


@pytest.mark.parametrize("kind", SCHEDULED)
def test_a_schedule_asks_for_the_newest_of_time_and_all_of_what_time_does_not_divide(kind: str, product: Any, shared_instance: Any) -> None:
    shared_instance.add_dynamic_partitions("files", ["a.csv", "b.csv"])
    make, wanted = SCHEDULED[kind]
    product.dataset(schema=Shelf, key="id", partitions=make(), schedule="0 12 * * *", name="shelves")(list)
    assert sorted(tick(product, shared_instance), key=str) == sorted(wanted, key=str)


def test_a_schedule_is_on_from_the_start_and_in_the_time_zone_declared(product: Any) -> None:
    product.dataset(schema=Shelf, key="id", partitions=DAYS, schedule="0 6 * * *", name="shelves")(list)
    product.dataset(schema=Shelf, key="id", schedule="0 7 * * *", time_zone="UTC", name="other")(list)
    schedules = {s.name: s for s in product.definitions().get_repository_def().schedule_defs}
    assert {n: (s.cron_schedule, s.execution_timezone, s.default_status) for n, s in schedules.items()} == {
        "shop_shelves_schedule": ("0 6 * * *", "Europe/Oslo", dg.DefaultScheduleStatus.RUNNING),
        "shop_other_schedule": ("0 7 * * *", "UTC", dg.DefaultScheduleStatus.RUNNING),
    }


def test_the_run_a_schedule_asks_for_can_be_had(product: Any, shared_instance: Any) -> None:
    product.dataset(schema=Shelf, key="id", partitions=DAYS, schedule="0 12 * * *", name="shelves")(list)
    repository = product.definitions().get_repository_def()
    job = repository.get_job("shop_shelves_job")
    assert job.execute_in_process(instance=shared_instance, partition_key=tick(product, shared_instance)[0]).success
    assert [v.partition for v in dp.versions("shop/shelves")] == ["2026-01-05"]
