"""What `dataproducts up` does with nights: the runs it makes, and how it stops."""

from __future__ import annotations

import threading
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pandera.polars as pa
import pytest

import dataproducts as dp
from dataproducts import definitions
from dataproducts.cli.up import _attended, _cancel_what_was_killed, _nights, _run, _Span
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


def test_nights_that_were_cut_short_go_on_where_they_were(product: Any, instance: Any, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @product.dataset(schema=Cup, key="machine", partitions=dg.DailyPartitionsDefinition("2025-11-20"))
    def cups(partition: str) -> list[dict[str, str]]:
        return [{"machine": partition}]

    @product.dataset(schema=Cup, key="machine")
    def machines() -> list[dict[str, str]]:
        return [{"machine": "kitchen"}]

    class Told:
        nights = 0

        def tell(self, _: Any) -> None:
            self.nights += 1
            if self.nights == 2:
                raise KeyboardInterrupt

    home.mkdir()
    (home / "first_day").write_text("2025-11-20")
    monkeypatch.setattr(definitions, "products", lambda: {product.name: product})
    monkeypatch.setattr(definitions, "build_defs", product.definitions)
    catalog = Told()
    with pytest.raises(KeyboardInterrupt):
        _nights(instance, catalog, [], date(2025, 11, 22), lambda: None)
    assert set(cups.history().current()) == {"2025-11-20", "2025-11-21"}
    assert _nights(instance, catalog, [], date(2025, 11, 22), lambda: None) == []
    assert set(cups.history().current()) == {"2025-11-20", "2025-11-21", "2025-11-22"}
    made = [run.tags.get("dagster/partition", "-") for run in instance.get_runs()]
    assert sorted(made) == ["-", "2025-11-20", "2025-11-21", "2025-11-22"]  # each once
    assert catalog.nights == 3


def test_an_interrupt_stops_up_when_the_run_that_is_under_way_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    interrupted, ended = threading.Event(), []

    def run() -> list[str]:
        interrupted.wait()
        ended.append(threading.current_thread() is not threading.main_thread())  # where Dagster leaves signals alone
        return []

    def interrupt() -> None:
        interrupted.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _attended(run, interrupt)
    assert ended == [True]
    assert "Stopping" in capsys.readouterr().err


def test_a_run_of_an_up_that_was_killed_is_not_said_to_run_for_ever(product: Any, instance: Any) -> None:
    @product.dataset(schema=Cup, key="machine")
    def cups() -> list[dict[str, str]]:
        return [{"machine": "kitchen"}]

    _run(product.definitions().get_repository_def(), instance, _Span("-", "-", [cups.key]))
    (made,) = instance.get_runs()
    started = dg.DagsterRunStatus.STARTED
    killed = instance.add_run(made._replace(run_id=str(uuid4()), status=started))
    family = {"parent_run_id": killed.run_id, "root_run_id": killed.run_id}
    again = instance.add_run(made._replace(run_id=str(uuid4()), status=started, **family))
    other = instance.add_run(dg.DagsterRun(job_name="other", status=started))
    _cancel_what_was_killed(instance)
    now = {run.run_id: run.status.value for run in instance.get_runs()}
    assert now == {made.run_id: "SUCCESS", killed.run_id: "CANCELED", again.run_id: "STARTED", other.run_id: "STARTED"}
