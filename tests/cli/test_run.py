"""`dataproducts run`: a product's schedules without a daemon."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.cli.conftest import Location

MORE = '''\
"""Datasets with schedules, and what follows from them."""

import dagster as dg
import polars as pl

from assets.weather.datasets import product
from assets.weather.schemas import Reading

days = dg.DailyPartitionsDefinition("2026-11-01", timezone="Europe/Oslo")


def reading(partition, warm):
    return pl.DataFrame({"station": ["Vestly"], "temperature": [warm]}).with_columns(day=pl.lit(partition).str.to_date())


@product.dataset(schema=Reading, key="station", partitions=days, schedule="* * * * *")
def measured(partition, context):
    """What a station measures."""
    context.log.info(f"measuring {partition}")
    return reading(partition, 5.0)


@product.dataset(schema=Reading, key="station", partitions=days, automation=dg.AutomationCondition.eager())
def rounded(measured):
    """What follows."""
    return measured


@product.dataset(schema=Reading, key="station", partitions=days, schedule="0 0 * * *")
def broken(partition):
    """What breaks its contract."""
    return reading(partition, 500.0)
'''


@pytest.fixture
def yesterday() -> str:
    return f"{datetime.now(ZoneInfo('Europe/Oslo')) - timedelta(days=1):%Y-%m-%d}"


def test_what_is_due_is_made_and_what_follows_from_it(location: Location, yesterday: str) -> None:
    result = location.run("run", "weather", "--schedule", "weather_measured_schedule")
    assert result.exit_code == 0, result.output
    assert f"measuring {yesterday}" in result.stderr
    lines = [line.split() for line in result.stdout.splitlines()[1:]]
    assert lines == [["weather_measured_schedule", yesterday, "new"], ["follows", yesterday, "of", "weather/rounded", "new"]]
    tags = location.runs()
    assert tags[0]["dagster/schedule_name"] == "weather_measured_schedule"
    assert tags[0]["dagster/run_key"].endswith(f" {yesterday}")
    assert location.ok("versions", "weather/rounded", "--partition", yesterday)


def test_the_tags_of_its_runs_are_those_by_which_the_daemon_knows_them() -> None:
    from dagster._core.storage.tags import RUN_KEY_TAG, SCHEDULE_NAME_TAG

    from dataproducts.cli import schedules

    assert (schedules._RUN_KEY, schedules._SCHEDULE_NAME) == (RUN_KEY_TAG, SCHEDULE_NAME_TAG)


def test_a_tick_is_run_once_and_a_failure_is_one_sentence(location: Location, yesterday: str) -> None:
    before = len(location.runs())
    said = location.refusal("run", "weather", "--schedule", "weather_broken_schedule")
    assert said == (
        f"weather: 1 run failed; the first: {yesterday}: weather/broken: partition '{yesterday}': 1 of 1 rows break the contract "
        "(temperature_in_range: 1); nothing was stored"
    )
    assert len(location.runs()) == before + 1
    again = location.ok("run", "weather", "--schedule", "weather_broken_schedule")
    assert again.splitlines()[-1].split(maxsplit=2) == ["weather_broken_schedule", yesterday, "asked for before"]
    assert len(location.runs()) == before + 1


def test_what_follows_can_be_left_to_the_daemon(location: Location) -> None:
    result = location.run("run", "weather", "--schedule", "weather_measured_schedule", "--alone")
    assert "follows" not in result.stdout


def test_a_name_that_is_not_there_is_refused_with_those_that_are(location: Location, changed_code) -> None:
    assert location.refusal("run", "weathr").startswith("there is no product 'weathr' in this code location; did you mean 'weather")
    assert location.refusal("run", "weather", "--schedule", "nightly") == (
        "weather has no schedule 'nightly'; it has weather_broken_schedule, weather_measured_schedule"
    )
    changed_code("assets/weather/more.py", ', schedule="* * * * *"', "")
    changed_code("assets/weather/more.py", ', schedule="0 0 * * *"', "")
    assert location.refusal("run", "weather") == (
        "weather has no schedule; give a dataset schedule=..., or product.yaml `runtime: schedule`"
    )


def test_the_products_own_schedule_is_for_those_that_have_none_and_follow_from_none(location: Location, changed_code) -> None:
    from dataproducts.cli.schedules import schedules_of
    from dataproducts.definitions import products

    changed_code("assets/weather/more.py", ', schedule="* * * * *"', "")
    text = (location.folder / "assets/weather/product.yaml").read_text()
    changed_code("assets/weather/product.yaml", text, text + '\nruntime:\n  schedule: {cron: "30 4 * * *", time_zone: UTC}\n')
    found = {name: (one.cron_schedule, one.execution_timezone) for name, one in schedules_of(products()["weather"]).items()}
    assert found["weather_measured_schedule"] == ("30 4 * * *", "UTC")
    assert found["weather_broken_schedule"] == ("0 0 * * *", "Europe/Oslo")
    assert "weather_rounded_schedule" not in found
