"""The promises of product_name."""

import dagster as dg

import dataproducts as dp
from dataproducts.definitions import products


def test_a_day_has_a_reading_of_every_station(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAPRODUCTS_HOME", str(tmp_path))
    readings = products()["product_name"].datasets["readings"]
    assert dg.materialize([readings], partition_key="FIRST_DAY").success
    rows = dp.read("product_name/readings", partition="FIRST_DAY")
    assert list(rows["station"]) == ["Nordby", "Vestly"]
    assert rows["temperature"].iloc[0] == FIRST_TEMPERATURE
