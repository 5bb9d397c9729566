"""The promises of product_name."""

import dagster as dg
import pytest

import dataproducts as dp
from dataproducts.definitions import products
from dataproducts.examples.running import files, run


@pytest.fixture
def product(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAPRODUCTS_HOME", str(tmp_path))
    product = products()["product_name"]
    ports = [port for ports in product.ports.values() for port in ports]
    assert dg.materialize([*product.datasets.values(), *ports], partition_key="FIRST_DAY").success
    return product


def test_counts_are_right_and_those_of_few_members_are_hidden(product):
    borrowed = dp.read("product_name/borrowed").set_index("municipality")
    members = dp.read("product_name/members").set_index("member")["municipality"]
    loans = dp.read("product_name/loans")
    for place, row in borrowed.iterrows():
        of_place = loans[loans["member"].map(members) == place]
        few = of_place["member"].nunique() < 3
        assert row["loans"] is not None or few
        assert few or (row["members"], row["loans"]) == (of_place["member"].nunique(), len(of_place))


def test_the_examples_run(product):
    pytest.importorskip("matplotlib", reason="examples with plots need dataproducts[examples]")
    assert {path.name: run(path).problem for path in files(product.folder)} == {"loans_by_day.py": None, "most_borrowed.sql": None}
