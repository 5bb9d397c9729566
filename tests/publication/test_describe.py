"""Declarations as the bodies of messages, and the glossary they refer to."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import DeclarationError
from dataproducts.messages import DatasetBody, ProductBody, digest
from dataproducts.publication.describe import bodies, dataset_body, examples, partition_facts

GLOSSARY = """\
concepts:
  - name: amount
    label: {nb: beløp, en: amount}
    definition: {nb: Hva det kostet., en: What it cost.}
    see: https://example.com/amount
  - name: price
    label: {nb: pris}
    definition: {nb: Beløp for én., en: Amount for one.}
    broader: [amount]
"""


class Row(pa.DataFrameModel):
    number: int = dp.column("Number.", source="nr", ge=0, le=10, raise_warning=True, examples=[1, 2])
    price: float = dp.column("Price.", source="pris.belop", unit="NOK", nullable=True, concept="price")
    rest: str = dp.column("The rest.", source=dp.REST, nullable=True)

    class Config:
        unique = "number"


@pytest.fixture
def priced(facts_file: Callable[..., Path]) -> Any:
    folder = facts_file()
    with (folder / "product.yaml").open("a") as file:
        file.write(GLOSSARY)
    return dp.DataProduct(folder)


def described(product: Any) -> dict[str, Any]:
    return dict(bodies({product.name: product}))


def test_a_dataset_tells_contract_checks_partitions_lineage_and_where_it_lies(priced: Any, home: Path) -> None:
    days = dg.DailyPartitionsDefinition("2026-01-01", timezone="Europe/Oslo")

    @priced.dataset(
        schema=Row, kind="snapshot", partitions=days, source=dp.Source("till", "Tills.", "https://till.example.com"),
        freshness=timedelta(hours=30), quarantine=0.05, tags={"area": "north"},
    )  # fmt: skip
    def prices(partition: str) -> pl.DataFrame:
        """Prices of the day."""
        raise NotImplementedError

    history = priced.history(prices)
    body = dataset_body(prices)
    assert (body.name, body.description, body.freshness_seconds, body.quarantine_share) == (
        "shop/prices",
        "Prices of the day.",
        108_000,
        0.05,
    )
    assert (body.partitions.kind, body.partitions.time_zone, body.partitions.cron) == ("daily", "Europe/Oslo", "0 0 * * *")
    assert [(c.name, c.type, c.nullable, c.source, c.concept) for c in body.contract.columns] == [
        ("number", "Int64", False, "nr", None),
        ("price", "Float64", True, "pris.belop", "price"),
        ("rest", "String", True, "*", None),
    ]
    assert body.contract.key == ("number",)
    assert {r.name: r.severity for r in body.contract.rules}["number_less_than_or_equal_to"] == "warn"
    assert body.checks["key_unique"] == "number identifies one row of a partition."
    assert body.source is not None
    assert body.source.url == "https://till.example.com"
    assert {c: [(o.subject, o.column) for o in of] for c, of in body.column_lineage.items()} == {
        "number": [("source:shop/till", "nr")],
        "price": [("source:shop/till", "pris.belop")],
    }
    assert [(p.kind, p.address) for p in body.ports] == [("lake", f"{home}/lake/shop/prices")]
    of_history = dataset_body(history)
    assert of_history.upstream == ("shop/prices",)
    assert of_history.column_lineage["price"][0].subject == "shop/prices"
    assert "valid_from" not in of_history.column_lineage
    assert of_history.contract.columns[1].concept == "price"


def test_a_product_tells_its_facts_and_its_glossary_once(priced: Any) -> None:
    body = described(priced)["product:shop"]
    assert isinstance(body, ProductBody)
    assert [c.name for c in body.concepts] == ["amount", "price"]
    assert body.concepts[1].broader == ("amount",)
    assert body.facts.concepts == ()
    assert ProductBody.model_validate(body.model_dump(mode="json")) == body


def test_a_column_of_a_concept_that_is_not_defined_is_refused(priced: Any) -> None:
    class Wrong(pa.DataFrameModel):
        number: int = dp.column("Number.", concept="prise")

    with pytest.raises(DeclarationError, match=r"shop/wrong: column 'number' is of the concept 'prise'.*its concepts are: amount, price"):

        @priced.dataset(schema=Wrong)
        def wrong() -> pl.DataFrame: ...


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("name: price", "name: amount", r"product.yaml:\d+: concepts.*'amount' is defined twice"),
        ("[amount]", "[amounts]", r"product.yaml:\d+: concepts.*'amounts' is not another concept"),
        ("[amount]", "[price]", r"'price' is not another concept"),
        ("definition: {nb: Beløp for én., en: Amount for one.}", "note: x", r"concepts.*definition"),
    ],
)
def test_a_glossary_with_a_fault_is_refused_with_its_line(facts_file: Callable[..., Path], before: str, after: str, said: str) -> None:
    folder = facts_file()
    with (folder / "product.yaml").open("a") as file:
        file.write(GLOSSARY.replace(before, after))
    with pytest.raises(DeclarationError, match=said):
        dp.DataProduct(folder)


@pytest.mark.parametrize(
    ("partitions", "kind"),
    [
        (None, "none"),
        (dg.HourlyPartitionsDefinition("2026-01-01-00:00"), "hourly"),
        (dg.WeeklyPartitionsDefinition("2026-01-01"), "weekly"),
        (dg.MonthlyPartitionsDefinition("2026-01-01"), "monthly"),
        (dg.TimeWindowPartitionsDefinition(cron_schedule="0 */6 * * *", start="2026-01-01", fmt="%Y-%m-%d"), "time"),
        (dg.StaticPartitionsDefinition(["a", "b"]), "static"),
        (dg.DynamicPartitionsDefinition(name="any"), "dynamic"),
        (dg.MultiPartitionsDefinition({"a": dg.StaticPartitionsDefinition(["x"]), "b": dg.StaticPartitionsDefinition(["y"])}), "multi"),
    ],
)
def test_every_kind_of_partitions_has_its_word(partitions: Any, kind: str) -> None:
    assert partition_facts(partitions).kind == kind


def test_examples_are_found_with_their_titles_and_belong_to_the_datasets_they_name(priced: Any) -> None:
    @priced.dataset(schema=Row)
    def prices() -> pl.DataFrame: ...

    folder = priced.folder / "examples"
    folder.mkdir()
    (folder / "mean.py").write_text('"""The mean price.\n\nMore."""\nimport dataproducts as dp\ndp.read("shop/prices")\n')
    (folder / "count.sql").write_text("-- How many\nselect 1")
    (folder / "_private.py").write_text("")
    (folder / "data.bin").write_bytes(b"\x00")
    assert [(e.name, e.title, e.language) for e in examples(priced.folder)] == [
        ("count.sql", "How many", "sql"),
        ("mean.py", "The mean price.", "python"),
    ]
    found = described(priced)
    assert [e.name for e in found["product:shop"].examples] == ["count.sql", "mean.py"]
    assert [e.name for e in found["dataset:shop/prices"].examples] == ["mean.py"]


def test_what_cannot_be_said_is_an_error_of_its_own_and_the_rest_is_told(shop: Any) -> None:
    import dataclasses

    sales = shop.datasets["sales"]
    sales.declaration = dataclasses.replace(sales.declaration, schedule="0 6 * * *\x00")
    found = described(shop)
    assert isinstance(found["dataset:shop/sales"], DeclarationError)
    assert "shop/sales cannot be published: schedule" in str(found["dataset:shop/sales"])
    assert isinstance(found["dataset:shop/totals"], DatasetBody)


def test_the_same_declaration_has_the_same_hash(shop: Any) -> None:
    first, second = ({s: digest(b.model_dump(mode="json")) for s, b in described(shop).items()} for _ in range(2))
    assert first == second


def test_the_register_explains_its_words_in_both_languages_and_its_columns_use_them() -> None:
    from dataproducts.definitions import products

    register = products()["enhetsregisteret"]
    concepts = {c.name: c for c in register.facts.concepts}
    assert len(concepts) >= 6
    assert all(c.label.en and c.definition.en for c in concepts.values())
    used = {c.concept for d in register.datasets.values() for c in d.contract.columns if c.concept}
    assert {"organisasjonsnummer", "organisasjonsform", "naeringskode", "rolle", "kommune"} <= used <= set(concepts)
    assert not [b for _, b in bodies({"enhetsregisteret": register}) if isinstance(b, Exception)]
