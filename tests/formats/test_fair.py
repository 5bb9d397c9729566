"""The FAIR score: our products reach what they are held to, and every fact that is taken away costs what it is worth."""

from __future__ import annotations

from typing import Any

import pytest

from dataproducts.catalog.web.words import WORDS
from dataproducts.definitions import products
from dataproducts.formats.fair import DIMENSIONS, TOTAL, Score, fair
from dataproducts.messages import PortFacts, ProductBody
from dataproducts.product_facts import ProductFacts
from dataproducts.publication.describe import dataset_body, ports, product_body
from tests.formats.conftest import FACTS, kopper

LEAST = 300
"""Points that a product of ours has, of the 355 that can be judged without a call."""


def scored(newest: Any, without: str | None = None, **changes: object) -> Score:
    facts = {name: value for name, value in FACTS.items() if name != without}
    return fair(ProductBody(facts=ProductFacts.model_validate(facts)), [(kopper(**changes), newest)])


@pytest.mark.parametrize("name", sorted(products()))
def test_every_product_of_ours_reaches_what_it_is_held_to(name: str) -> None:
    product = products()[name]
    score = fair(product_body(product), [(dataset_body(one, (), ports(product, one)), None) for one in product.datasets.values()])
    lacking = [(check.name, check.most) for check in score.checks if check.state in ("missing", "partly")]
    assert score.points >= LEAST, lacking
    assert score.level == "excellent"


def test_the_points_are_those_of_the_measurement(newest: Any) -> None:
    score = scored(newest)
    assert sum(check.most for check in score.checks) == TOTAL == 435
    assert {one: sum(check.most for check in score.of(one)) for one in DIMENSIONS} == {
        "findable": 100, "accessible": 100, "interoperable": 140, "reusable": 75, "contextual": 20,
    }  # fmt: skip
    assert TOTAL - score.judged == 80  # what only a call can tell
    assert score.points == 350  # all but the size in bytes


@pytest.mark.parametrize(("fact", "worth"), [("keywords", 30), ("spatial", 20), ("rights", 5), ("issued", 5)])
def test_a_fact_taken_away_costs_what_it_is_worth(newest: Any, fact: str, worth: int) -> None:
    assert scored(newest).points - scored(newest, without=fact).points == worth


def test_a_license_nobody_knows_costs_its_points(newest: Any) -> None:
    facts = FACTS | {"license": {"name": "Our own terms", "uri": "https://kaffe.example.com/terms"}}
    score = fair(ProductBody(facts=ProductFacts.model_validate(facts)), [(kopper(), newest)])
    assert scored(newest).points - score.points == 10


def test_without_a_file_on_the_web_there_is_no_download(newest: Any) -> None:
    lake = (PortFacts(name="lake", kind="lake", address="kaffe/kopper"),)
    assert scored(newest).points - scored(newest, ports=lake).points == 20


def test_a_product_has_what_its_datasets_have_on_average(kaffe: ProductBody, newest: Any) -> None:
    table = kopper(ports=(PortFacts(name="bigquery", kind="bigquery", address="kaffe.kopper"),))
    score = fair(kaffe, [(kopper(), newest), (table, newest)])
    (format_,) = (check for check in score.checks if check.name == "format")
    assert (format_.points, format_.state) == (10, "partly")


def test_a_product_without_datasets_has_no_formats(kaffe: ProductBody) -> None:
    score = fair(kaffe, [])
    assert not any(check.points for check in score.of("interoperable"))


def test_f_uji_sees_what_was_stated(newest: Any) -> None:
    met = {metric.number for metric in scored(newest).metrics if metric.met}
    assert len(scored(newest).metrics) == 17
    assert {"F2-01M", "F3-01M", "R1.1-01M", "R1.2-01M", "R1.3-02D"} <= met
    lost = met - {metric.number for metric in scored(newest, without="keywords").metrics if metric.met}
    assert lost == {"F2-01M"}


def test_every_check_says_in_both_languages_what_would_give_more(newest: Any) -> None:
    for check in scored(newest).checks:
        assert len(WORDS[f"fair.check.{check.name}"]) == 2
        assert all(WORDS[f"fair.remedy.{check.name}"])
