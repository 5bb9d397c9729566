"""Messages for tests of the catalog: a code location that declares, delivers, checks and fails."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from dataproducts.messages import (
    Arrival,
    CheckResult,
    ColumnFacts,
    ColumnFigures,
    ColumnOrigin,
    Concept,
    ContractFacts,
    DatasetBody,
    Definition,
    Delivery,
    Failure,
    PartitionFacts,
    PortFacts,
    PortProof,
    ProductBody,
    Proof,
    RuleFacts,
)
from dataproducts.product_facts import ProductFacts

START = datetime(2026, 11, 1, 6, tzinfo=UTC)
LOCATION = "shop-location"


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def facts(name: str = "shop", **more: Any) -> ProductFacts:
    given = {
        "name": name,
        "title": {"nb": f"Butikk {name}", "en": f"Shop {name}"},
        "description": {"nb": "Salget i *butikkene*, dag for dag.", "en": "What the shops sell, day by day."},
        "status": "active",
        "team": "team-shop",
        "contact": {"name": "Team Shop", "email": "team-shop@example.com"},
        "personal_data": {"class": "none", "reason": "Only amounts."},
        "access": {"level": "internal"},
        "license": "CC_BY_4_0",
        "publisher": {"name": "NAV", "organization_number": "889640782"},
        "themes": ["ECON"],
        "keywords": ["salg"],
        "periodicity": "DAILY",
        "language": ["nb"],
    }
    return ProductFacts.model_validate({**given, **more})


def product(name: str = "shop", hours: float = 0, *, location: str = LOCATION, gone: bool = False, **more: Any) -> Definition:
    concepts = (
        Concept(name="amount", label={"nb": "beløp", "en": "amount"}, definition={"nb": "Hva noe koster.", "en": "What it costs."}),
    )
    body = None if gone else ProductBody(facts=facts(name, **more), concepts=concepts)
    return Definition(location=location, subject=f"product:{name}", observed_at=at(hours), product=body)


def column(name: str, type_: str = "Int64", **more: Any) -> ColumnFacts:
    return ColumnFacts(name=name, type=type_, nullable=False, **{"description": f"The {name}.", **more})


def dataset(
    name: str = "shop/sales",
    hours: float = 0,
    *,
    columns: Sequence[ColumnFacts] | None = None,
    version: str = "1.0.0",
    gone: bool = False,
    location: str = LOCATION,
    **more: Any,
) -> Definition:
    given = columns or (
        column("id"),
        column("amount", concept="amount", unit="NOK"),
        column("customer", "String", personal="directly_identifying"),
    )
    contract = ContractFacts(
        version=version,
        fingerprint=version,
        kind="table",
        columns=tuple(given),
        key=(given[0].name,),
        rules=(RuleFacts(name="id_required", kind="required"),),
    )
    body = {
        "name": name,
        "title": name.split("/")[1].capitalize(),
        "description": "Hvert **salg** for seg.",
        "contract": contract,
        "partitions": PartitionFacts(kind="daily", start=START),
        "access": "internal",
        "personal": "none",
        "freshness_seconds": 36 * 3600,
        "checks": {"shape": "Columns and types.", "id_required": "id is never missing"},
        "ports": (PortFacts(name="lake", kind="lake", address=f"lake/{name}"),),
        **more,
    }
    return Definition(location=location, subject=f"dataset:{name}", observed_at=at(hours), dataset=None if gone else DatasetBody(**body))


def delivery(name: str = "shop/sales", partition: str = "2026-11-01", number: int = 1, hours: float = 1, **more: Any) -> Delivery:
    given = {
        "location": LOCATION,
        "dataset": name,
        "partition": partition,
        "number": number,
        "at": at(hours),
        "storage_id": int(hours * 1000),
        "run": f"run-{hours}",
        "known_at": at(hours),
        "contract": "1.0.0",
        "rows": 10 * number,
        "content_hash": f"{partition}-{number}",
        "profile": (ColumnFigures(name="id", nulls=0, distinct=10, smallest="1", largest="10"), ColumnFigures(name="customer", nulls=1)),
    }
    return Delivery(**{**given, **more})


def check(name: str = "shop/sales", passed: bool = True, hours: float = 1, **more: Any) -> CheckResult:
    given = {"location": LOCATION, "dataset": name, "check": "shape", "passed": passed, "severity": "error", "at": at(hours)}
    return CheckResult(**{**given, "storage_id": int(hours * 1000) + 1, "run": f"run-{hours}", **more})


def failure(name: str = "shop/sales", hours: float = 1, **errors: str) -> Failure:
    told = errors or {"2026-11-01": "shop/sales: the source did not answer; run again"}
    return Failure(location=LOCATION, dataset=name, at=at(hours), storage_id=int(hours * 1000) + 2, run=f"run-{hours}", errors=told)


def arrival(name: str = "shop/sales", partition: str = "2026-11-01", number: int = 1, hours: float = 1, **more: Any) -> Arrival:
    given = {"location": LOCATION, "dataset": name, "port": "bigquery", "partition": partition, "number": number, "at": at(hours)}
    found = {"storage_id": int(hours * 1000) + 3, "run": f"run-{hours}", "rows": 10, "content_hash": f"{partition}-{number}"}
    return Arrival(**{**given, **found, **more})


def random_history(seed: int, length: int = 60) -> Iterator[Any]:
    """A life of a small code location in the order it happened: contracts change, datasets come and go, runs succeed and fail."""
    r = random.Random(seed)
    names = ["shop/sales", "shop/stock", "bank/loans"]
    shapes = [
        (column("id"), column("amount")),
        (column("id"), column("amount", "Decimal(20,2)"), column("note", "String")),
        (column("id"), column("note", "String", description="Anything.")),
    ]
    numbers: dict[tuple[str, str], int] = {}
    yield product("shop", 0)
    yield product("bank", 0.01, team="team-bank")
    for step in range(length):
        hours = 1 + step + r.choice([0, 0, 0.5])
        name, partition = r.choice(names), f"2026-11-{r.randint(1, 5):02}"
        what = r.random()
        if what < 0.25:
            upstream = tuple(n for n in names if n != name and r.random() < 0.4)
            lineage = {"id": tuple(ColumnOrigin(subject=u, column="id") for u in upstream)}
            shape = r.randrange(3)
            yield dataset(name, hours, columns=shapes[shape], version=f"{shape + 1}.0.0", upstream=upstream, column_lineage=lineage)
        elif what < 0.3:
            yield dataset(name, hours, gone=True)
        elif what < 0.35:
            yield product(
                name.split("/")[0], hours, team=r.choice(["team-shop", "team-bank"]), keywords=[r.choice(["salg", "lager", "lån"])]
            )
        elif what < 0.75:
            unchanged = r.random() < 0.3 and (name, partition) in numbers
            number = numbers[name, partition] = numbers.get((name, partition), 0) + (not unchanged)
            inputs = {"shop/sales": ((partition, number),)} if name != "shop/sales" else {}
            yield delivery(name, partition, number, hours, unchanged=unchanged, inputs=inputs)
            if r.random() < 0.6:
                yield arrival(name, partition, number, hours, port=r.choice(["bigquery", "kafka"]), facts={"job": f"job-{hours}"})
        elif what < 0.95:
            yield check(name, r.random() < 0.8, hours, severity=r.choice(["warn", "error"]))
        else:
            told = failure(name, hours)
            yield told if r.random() < 0.5 else told.model_copy(update={"port": "kafka"})
    ports = (PortProof(dataset="shop/sales", port="kafka", versions=2, rows=20, waiting=1),)
    yield Proof(location=LOCATION, at=at(length + 2), compared=3, behind=0, missing=0, ports=ports)
