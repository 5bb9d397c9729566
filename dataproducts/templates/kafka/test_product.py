"""The promises of product_name."""

from datetime import date

import dagster as dg
import pytest

import dataproducts as dp
from assets.product_name.sandbox import Topic
from dataproducts.definitions import port_resources, products, resources


@pytest.fixture
def product(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAPRODUCTS_HOME", str(tmp_path))
    topic = Topic()
    for name, value in topic.variables(date.fromisoformat("FIRST_DAY")).items():
        monkeypatch.setenv(name, value)
    topic.start()
    topic.travel(date.fromisoformat("FIRST_DAY"))
    yield products()["product_name"]
    topic.stop()


def test_a_day_of_events_is_the_state_of_every_order_and_the_sales_of_every_shop(product):
    at_hand = {**port_resources({"product_name": product}), **resources()}
    hours = {"dagster/asset_partition_range_start": "FIRST_DAY-00:00", "dagster/asset_partition_range_end": "FIRST_DAY-23:00"}
    assert dg.materialize([product.datasets["events"]], tags=hours, resources=at_hand).success
    assert dg.materialize([product.datasets["orders"], product.datasets["sales"]], partition_key="FIRST_DAY").success

    assert len(dp.read("product_name/events")) == 20
    orders = dp.read("product_name/orders").set_index("order_id")
    assert orders.loc["FIRST_DAY-9", "status"] == "cancelled"
    sales = dp.read("product_name/sales").set_index("shop")
    assert dict(sales["orders"]) == {"Nordby": 5, "Vestly": 4}
    assert float(sales.loc["Vestly", "amount"]) == 4 * 100.5 + 1 + 3 + 5 + 7
