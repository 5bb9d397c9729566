"""A real product, one that states everything, and one whose every text is an attack: as bodies for the documents about them."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime

import absl.logging
import pytest

from dataproducts.definitions import products
from dataproducts.formats.addresses import Addresses
from dataproducts.formats.facts import CatalogFacts, Newest
from dataproducts.messages import (
    ColumnFacts,
    ColumnFigures,
    Concept,
    ContractFacts,
    DatasetBody,
    PartitionFacts,
    PortFacts,
    ProductBody,
    RuleFacts,
    SourceFacts,
)
from dataproducts.product_facts import Contact, Localized, Organization, ProductFacts
from dataproducts.publication.describe import dataset_body, product_body

# mlcroissant's logging would close what pytest captures as soon as Dagster sets up its own
absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__

AT = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)
SECRET = "12057900499"  # what a value of a personal column could look like

FACTS = {
    "name": "kaffe",
    "title": {"nb": "Kaffe", "nn": "Kaffi", "en": "Coffee"},
    "description": {"nb": "Kopper kaffe, dag for dag, ved hver maskin i bygget.", "en": "Cups of coffee, day by day, at every machine."},
    "status": "active",
    "version": "1.2.0",
    "team": "team-kaffe",
    "contact": {"name": "Team Kaffe", "email": "kaffe@example.com", "url": "https://kaffe.example.com/hjelp"},
    "personal_data": {"class": "possibly_identifying"},
    "access": {"level": "restricted", "can_read": ["kantina"]},
    "legislation": ["https://lovdata.no/eli/lov/2018/06/15/38"],
    "license": "NLOD_2_0",
    "rights": "Kaffeetaten 2026",
    "publisher": {"name": "Kaffeetaten", "organization_number": "800000017", "url": "https://kaffe.example.com"},
    "creator": {"name": "Kaffebrenneriet"},
    "provenance": "Counted by the machines.",
    "sources": [{"name": "Maskinene", "owner": "Kaffebrenneriet", "url": "https://maskin.example.com"}],
    "themes": ["GOVE", "HEAL"],
    "keywords": ["kopper", "bønner"],
    "periodicity": "DAILY",
    "spatial": ["NOR", "https://data.geonorge.no/administrativeEnheter/kommune/id/173018"],
    "language": ["nb"],
    "issued": "2024-02-29",
    "modified": "2025-01-31",
    "links": [{"title": "Kart", "url": "https://kart.example.com/kaffe"}],
}


def kopper(**changes: object) -> DatasetBody:
    """A dataset of three ports, with a personal column, nested columns and names that are no identifiers."""
    columns = (
        ColumnFacts(name="id", type="Int64", nullable=False, description="Number of the cup", personal="none", unit="cups"),
        ColumnFacts(
            name="drikker", type="String", nullable=True, description="Who drank it", personal="directly_identifying", examples=(SECRET,)
        ),
        ColumnFacts(name="næring & co", type="List(String)", nullable=True, personal="none", concept="kopp"),
        ColumnFacts(name="målt", type="Datetime(time_unit='us', time_zone='UTC')", nullable=False, title="Målt", personal="none"),
        ColumnFacts(name="gram", type="Float64", nullable=True, personal="none", unit="g"),
        ColumnFacts(name="dag", type="Date", nullable=False, personal="none"),
        ColumnFacts(name="maskin", type="Struct({'navn': String})", nullable=True, personal="none"),
    )
    rules = (RuleFacts(name="id_unique", kind="unique", column="id"),)
    stated: dict[str, object] = {
        "name": "kaffe/kopper",
        "title": "Kopper",
        "description": "En rad for hver kopp.",
        "contract": ContractFacts(version="2.1.0", fingerprint="f", kind="snapshot", columns=columns, key=("id",), rules=rules),
        "partitions": PartitionFacts(kind="daily", start=datetime(2026, 10, 31, 23, tzinfo=UTC), time_zone="Europe/Oslo"),
        "access": "restricted",
        "personal": "directly_identifying",
        "upstream": ("enhetsregisteret/enheter",),
        "source": SourceFacts(name="maskiner", url="https://maskin.example.com/api"),
        "ports": (
            PortFacts(name="lake", kind="lake", address="kaffe/kopper"),
            PortFacts(name="bigquery", kind="bigquery", address="kaffe-prod.kaffe.kopper"),
            PortFacts(name="csv", kind="file", address="https://filer.example.com/kopper.csv", title="Kopper som CSV"),
        ),
    }
    return DatasetBody.model_validate(stated | changes)


@pytest.fixture(scope="session")
def kaffe() -> ProductBody:
    """A product that states everything."""
    concepts = (
        Concept(name="drikke", label=Localized(nb="Drikke"), definition=Localized(nb="Noe å drikke")),
        Concept(
            name="kopp",
            label=Localized(nb="Kopp", en="Cup"),
            definition=Localized(nb="En kopp kaffe", en="A cup of coffee"),
            see="https://snl.no/kopp",
            broader=("drikke", "ukjent"),
        ),
        Concept(name="fat", label=Localized(nb="Fat"), definition=Localized(nb="Under koppen"), broader=("ukjent",)),
    )
    return ProductBody(facts=ProductFacts.model_validate(FACTS), concepts=concepts)


@pytest.fixture(scope="session")
def newest() -> Newest:
    """A version whose profile, through a fault elsewhere, shows the values of a personal column."""
    profile = (
        ColumnFigures(name="id", nulls=0, distinct=40, smallest="1", largest="40", frequent=(("7", 2),)),
        ColumnFigures(name="drikker", nulls=1, smallest=SECRET, largest=SECRET, frequent=((SECRET, 9),)),
        ColumnFigures(name="gram", nulls=0, smallest="1.5", largest="NaN"),
    )
    return Newest(AT, "2026-11-20", 3, 40, profile)


@pytest.fixture(scope="session")
def addresses() -> Addresses:
    return Addresses("https://katalog.example.com/")


@pytest.fixture(scope="session")
def about() -> CatalogFacts:
    return CatalogFacts(
        title=Localized(nb="Datakatalogen", en="The data catalog"),
        description=Localized(nb="Alle dataprodukter i Kaffeetaten."),
        publisher=Organization(name="Kaffeetaten", organization_number="800000017"),
        contact=Contact(name="Datakatalogen", email="katalog@example.com"),
        issued=date(2026, 1, 1),
    )


@pytest.fixture(scope="session")
def register() -> tuple[ProductBody, list[tuple[DatasetBody, Newest | None]]]:
    """Enhetsregisteret with all its datasets, as its code declares them."""
    product = products()["enhetsregisteret"]
    datasets = [dataset_body(one) for one in product.datasets.values()]
    return product_body(product), [(one, Newest(AT, "2026-11-20", 1, 10) if one.name.endswith("/enheter") else None) for one in datasets]
