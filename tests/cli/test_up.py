"""The nights that `dataproducts up` lets pass run a product's own checks, those that are declared apart from its datasets too."""

from __future__ import annotations

from typing import Any

import dagster as dg
import pandera.polars as pa

import dataproducts as dp
from dataproducts.cli.up import _run, _Span
from tests.conftest import Recorded


class Cup(pa.DataFrameModel):
    """Cups of coffee."""

    machine: str = dp.column("Where it stands.")


def test_a_night_runs_the_checks_that_stand_apart_from_their_dataset(product: Any, instance: Any) -> None:
    @product.dataset(schema=Cup, key="machine")
    def cups() -> list[dict[str, str]]:
        return [{"machine": "kitchen"}]

    @product.dataset(schema=Cup, key="machine")
    def glasses() -> list[dict[str, str]]:
        return [{"machine": "lobby"}]

    def apart(dataset: Any) -> Any:
        @dg.asset_check(asset=dataset.key, name=f"{dataset.declaration.name}_are_clean")
        def clean() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=False)

        return clean

    product.add(apart(cups), apart(glasses))
    failures = _run(product.definitions().get_repository_def(), instance, _Span("-", "-", [cups.key]))
    (run,) = instance.get_runs()
    ran = Recorded(run.run_id, instance)
    assert (failures, ran.warned) == ([], {"cups_are_clean": "ERROR"})
    assert "glasses_are_clean" not in ran.checks
