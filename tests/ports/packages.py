"""A dataset with a personal column and its package port, for the tests and for processes of their own, which import no more than this."""

from __future__ import annotations

from typing import Any

import pandera.polars as pa
import polars as pl

import dataproducts as dp
from dataproducts import settings
from dataproducts.contract import Contract
from dataproducts.erasure import erasing
from dataproducts.erasure.erasing import World
from dataproducts.erasure.places import Erasing
from dataproducts.erasure.subjects import Erased
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.ports.delivery import deliver, finish
from dataproducts.ports.journal import Journal
from dataproducts.ports.package import Package
from dataproducts.ports.port import Comparison, Offered
from dataproducts.product_facts import ProductFacts

FACTS: dict[str, Any] = {
    "name": "shop",
    "title": {"nb": "Butikk", "en": "Shop"},
    "description": {"nb": "Salget i butikkene.", "en": "What the shops sell."},
    "status": "active",
    "team": "team-shop",
    "contact": {"name": "Team Shop", "email": "team-shop@example.com"},
    "personal_data": {"class": "directly_identifying", "reason": "Names."},
    "access": {"level": "restricted", "can_read": ["team-finance"]},
    "license": "CC_BY_4_0",
    "publisher": {"name": "NAV", "organization_number": "889640782"},
    "themes": ["ECON"],
    "keywords": ["sales"],
    "periodicity": "DAILY",
}


class Sale(pa.DataFrameModel):
    """What was sold."""

    id: int = dp.column("Number of the receipt", personal="none")
    amount: int = dp.column("What it cost", personal="none", nullable=True)
    buyer: str = dp.column("Who bought it", personal="directly_identifying")


CONTRACT = Contract.of(Sale, dataset="shop/sales", key="id")
SNAPSHOTS = Contract.of(Sale, dataset="shop/sales", key="id", kind="snapshot")


def offered(contract: Contract = CONTRACT) -> Offered:
    return Offered(ProductFacts.model_validate(FACTS), contract, "Sales", "What was sold.", "restricted", "directly_identifying", "days")


def history() -> DatasetHistory:
    return DatasetHistory(settings.lake(), "shop/sales")


def commit(contract: Contract = CONTRACT, **partitions: list[int]) -> None:
    drafts = [
        Draft.of(
            key.replace("_", "-"),
            pl.DataFrame({"id": ids, "amount": ids, "buyer": ["SECRET"] * len(ids)}, schema=contract.dtypes),
            contract,
        )
        for key, ids in partitions.items()
    ]
    history().commit(drafts, contract)


def run(port: Package | None = None, contract: Contract = CONTRACT, partitions: list[str] | None = None) -> list[tuple[str, int]]:
    port, held = port or Package(), history()
    with port.open(offered(contract), held, {}, "run") as session:
        report = deliver(session, Journal(settings.lake(), "shop/sales", port.name), held, partitions, "run")
    return [(v.partition, v.number) for v in report.versions]


def compare(port: Package | None = None, contract: Contract = CONTRACT, full: bool = True) -> Comparison:
    with (port or Package()).open(offered(contract), history(), {}, "run") as session:
        return session.compare(history().versions(), full)


def differences(**how: Any) -> list[str]:
    return [one.text for one in compare(**how).differences]


def publisher(home: str) -> None:
    """Deliver all there is, in a process of its own."""
    import os

    os.environ["DATAPRODUCTS_HOME"] = home
    run()


def forget(key: int) -> None:
    """Erase somebody from the lake, as far as the ports."""
    plan = erasing.plan(World(settings.lake()), "shop/sales", [("--key", str(key))])
    erasing.erase(plan, reason="asked for it", who="tester")


def erase(port: Package | None = None, contract: Contract = CONTRACT) -> int:
    """Erase from the port what the lake has lost, as an erasure does; gives how many rows went."""
    port, held = port or Package(), history()
    with port.open(offered(contract), held, {}, "erasure") as session:
        finish(session, Journal(settings.lake(), "shop/sales", port.name), held, "erasure")
        assert isinstance(session, Erasing)
        return session.erase(Erased("shop/sales", (), 0)).rows
