"""A unit that the register has removed for legal reasons is erased without anybody asking, and stays away."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import dataproducts as dp
from assets.enhetsregisteret.datasets import product
from assets.enhetsregisteret.removals import removed_units
from dataproducts.erasure.registry import Registry
from tests.erasure.searching import found_in

SENSOR = "enhetsregisteret_fjernet"


@pytest.fixture
def sensor() -> dg.SensorDefinition:
    return next(one for one in product.definitions().sensors or () if getattr(one, "name", None) == SENSOR)


def tick(sensor: dg.SensorDefinition, instance: dg.DagsterInstance) -> Any:
    with dg.build_sensor_context(instance=instance) as context:
        return sensor.evaluate_tick(context)


def event(number: str, kind: str, sequence: int) -> dict[str, Any]:
    at = "2026-11-10T05:00:00.000Z"
    return {"oppdateringsid": sequence, "dato": at, "organisasjonsnummer": number, "endringstype": kind, "enhetstype": "enhet"}


def test_removed_units_are_erased_and_a_later_delivery_does_not_bring_them_back(
    sensor: dg.SensorDefinition, persistent: dg.DagsterInstance, home: Path, store: Any
) -> None:
    import polars as pl

    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert tick(sensor, persistent).skip_message == "there is nobody to erase"
    gone, stays = "923609016", "974760673"
    contract = product.datasets["oppdateringer"].contract
    day = (date(2026, 11, 9) + timedelta(days=1)).isoformat()
    rows = [event(gone, "Fjernet", 7), event(stays, "Endring", 8)]

    def produce(_: str) -> dp.Result:
        return dp.Result(rows, metadata={"removed_units": [gone]})

    store(contract, produce, [day])
    assert removed_units()["enhetsregisteret/enheter"] == [json.dumps({"organisasjonsnummer": gone})]
    assert len(tick(sensor, persistent).run_requests) == 1

    result = sensor.job.execute_in_process(instance=persistent)
    assert result.success
    assert tick(sensor, persistent).skip_message == "there is nobody to erase"
    store(contract, produce, [day])
    held = dp.scan("enhetsregisteret/oppdateringer").collect()
    assert held["organisasjonsnummer"].to_list() == [stays]
    assert isinstance(held, pl.DataFrame)
    lines = Registry(str(home / "lake")).refresh().lines
    assert {line.ground for line in lines} == {"Brønnøysundregistrene: fjernede enheter skal slettes hos alle som har kopier"}
    assert {"enhetsregisteret/enheter", "enhetsregisteret/enheter_historikk", "enhetsregisteret/roller"} <= {line.dataset for line in lines}
    assert found_in(home, gone) == []
