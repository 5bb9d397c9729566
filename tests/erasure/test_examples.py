"""What examples showed is dropped with those whose rows it may be, wherever it is kept, and comes back without them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.catalog import erasure as catalog
from dataproducts.catalog.database import Database
from dataproducts.catalog.store import Store
from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.erasure.subjects import Erased
from dataproducts.examples import forgetting, job, kept, running
from dataproducts.messages import Definition
from dataproducts.publication.describe import bodies
from tests.erasure.searching import found_in

GONE = "kari-nordmann-7731"
SHOWN = '''"""Who they are"""
import dataproducts as dp

print(dp.read("shop/customers"))
'''


class Customer(pa.DataFrameModel):
    who: str = dp.column("Who")
    amount: int = dp.column("Amount")


@pytest.fixture
def products(facts_file: Callable[..., Path], materialize: Any, lake: str) -> dict[str, Any]:
    """A shop with an example, another product whose example reads it, and one whose example has nothing to do with it."""
    found = {}
    for name, source in {"shop": SHOWN, "garden": SHOWN, "weather": '"""Rain"""\nprint("rain")\n'}.items():
        folder = facts_file(name=name)
        (folder / "examples").mkdir()
        (folder / "examples/first.py").write_text(source)
        found[name] = dp.DataProduct(folder / "product.yaml")

    @found["shop"].dataset(schema=Customer, key="who")
    def customers() -> pl.DataFrame:
        return pl.DataFrame({"who": [GONE, "ola-nordmann-1204"], "amount": [1, 2]})

    assert materialize(found["shop"], "customers").success
    return found


def erase(lake: str, products: dict[str, Any], key: str = GONE) -> erasing.Report:
    return erasing.erase(erasing.plan(World(lake, products), "shop/customers", [("--key", key)]), reason="asked for it", who="tester")


def publish(store: Store, products: dict[str, Any]) -> None:
    said = [
        Definition(location="here", observed_at=datetime.now(UTC), subject=subject, **{subject.split(":")[0]: body})
        for subject, body in bodies(products)
    ]
    assert {receipt.status for receipt in store.apply(said)} == {"stored"}


def test_results_go_from_the_lake_and_the_catalog_and_come_back_without_them(products: dict[str, Any], lake: str, tmp_path: Path) -> None:
    assert job.run_all(products, lambda _: None) == []
    folder = tmp_path / "catalog"
    folder.mkdir()
    database = Database(f"sqlite:///{folder}/catalog.db")
    database.migrate()
    store = Store(database)
    publish(store, products)
    assert len(found_in(Path(lake), GONE)) == 3
    assert found_in(folder, GONE) != []
    report = erase(lake, products)
    assert {p.place: p.removed for p in report.places}["results of examples"] == 2
    assert found_in(Path(lake), GONE) == []
    assert set(kept.load("weather")) == {"first.py"}

    assert catalog.erase(database, {"shop/customers": Erased("shop/customers", (), 0)}, {}) == 4
    database.close()
    assert found_in(folder, GONE) == []
    assert found_in(folder, "rain") != []

    assert job.run_all({"shop": products["shop"]}, lambda _: None) == []
    assert "ola-nordmann-1204" in kept.load("shop")["first.py"].outputs[0].content
    assert found_in(Path(lake), GONE) == []


def test_what_an_example_read_while_somebody_was_erased_is_not_kept(products: dict[str, Any], lake: str, monkeypatch: Any) -> None:
    """It read the row before it went, and would have kept it after the erasure had been there."""
    folder = products["shop"].folder
    outcome = running.run(folder / "examples/first.py")
    assert GONE in outcome.outputs[0].content
    erase(lake, products)
    assert not forgetting.keep("shop", folder, [outcome])
    assert found_in(Path(lake), GONE) == []
    real, other = kept.store, "ola-nordmann-1204"

    def store(*given: Any) -> Any:
        real(*given)
        erase(lake, products, other)

    monkeypatch.setattr(kept, "store", store)
    assert other in outcome.outputs[0].content
    assert not forgetting.keep("shop", folder, [replace(outcome, at=datetime.now(UTC))])
    assert found_in(Path(lake), other) == []
