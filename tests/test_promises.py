"""Every dataset of this code location keeps what it has promised: `assets/<product>/contracts`."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest

from dataproducts import promise
from dataproducts.dataset import Dataset
from dataproducts.definitions import products

DATASETS = {d.contract.dataset: d for product in products().values() for d in product.datasets.values()}


@pytest.mark.parametrize("dataset", DATASETS.values(), ids=DATASETS)
def test_the_frozen_promise_is_kept(dataset: Dataset) -> None:
    verdict = promise.check(dataset)
    assert verdict.is_frozen, verdict.message


def test_no_promise_is_left_without_its_dataset() -> None:
    kept = {promise.frozen_path(dataset) for dataset in DATASETS.values()}
    assert {path for folder in {p.parent for p in kept} for path in folder.iterdir()} == kept


@pytest.mark.parametrize(
    ("partitions", "words"),
    [
        (None, None),
        (dg.DailyPartitionsDefinition("2026-01-01", timezone="Europe/Oslo"), "daily, Europe/Oslo"),
        (dg.HourlyPartitionsDefinition("2026-01-01-00:00"), "hourly, UTC"),
        (dg.MonthlyPartitionsDefinition("2026-01-01"), "monthly, UTC"),
        (
            dg.TimeWindowPartitionsDefinition(start="2026-01-01", fmt="%Y-%m-%d", cron_schedule="0 6 * * 1-5", timezone="Europe/Oslo"),
            "cron 0 6 * * 1-5, Europe/Oslo",
        ),
        (dg.StaticPartitionsDefinition(["a", "b"]), "a fixed list"),
        (dg.DynamicPartitionsDefinition(name="files"), "a growing list"),
        (
            dg.MultiPartitionsDefinition(
                {"day": dg.DailyPartitionsDefinition("2026-01-01"), "region": dg.StaticPartitionsDefinition(["north"])}
            ),
            "day (daily, UTC) x region (a fixed list)",
        ),
    ],
)
def test_partitions_are_promised_in_words(partitions: dg.PartitionsDefinition[str] | None, words: str | None) -> None:
    assert promise.partitioning(partitions) == words


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(hours=36), "PT36H"),
        (timedelta(days=7), "P7D"),
        (timedelta(minutes=90), "PT1H30M"),
        (timedelta(seconds=5), "PT5S"),
        (timedelta(hours=24), "P1D"),
    ],
)
def test_freshness_is_promised_in_iso_8601(length: timedelta, text: str) -> None:
    assert promise.duration(length) == text
