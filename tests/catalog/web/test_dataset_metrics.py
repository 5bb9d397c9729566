"""Figures of every dataset for Prometheus: right, of one series each whatever happens, and not made anew for everybody who asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dataproducts.catalog.web import dataset_metrics
from dataproducts.catalog.web.dataset_metrics import KEPT_SECONDS, DatasetMetrics, Figure
from dataproducts.messages import PortProof, Proof
from tests.catalog.messages import LOCATION, at, dataset, delivery, failure
from tests.catalog.web.conftest import Site

SALES = (("dataset", "sales"), ("product", "shop"))
STOCK = (("dataset", "stock"), ("product", "shop"))

Values = dict[tuple[str, Any], float]


def values(text: str) -> Values:
    """Each series by name and labels, of the dataset figures."""
    return {
        (sample.name.removeprefix("dataproducts_"), tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("dataproducts_")
    }


def test_every_dataset_has_its_figures(any_site: Site) -> None:
    ports = (PortProof(dataset="shop/sales", port='big"query', versions=3, rows=9, waiting=2, differences=1),)
    proof = Proof(location=LOCATION, at=at(27), compared=3, behind=0, missing=0, ports=ports)
    lagging = delivery("shop/stock", "2026-11-02", 1, 25).model_copy(update={"facts": {"lag": "41"}})
    any_site.catalog.store.apply([proof, lagging, failure("shop/stock", 24)])
    found = values(any_site.get("/metrics").text)
    assert found["dataset_delivered_timestamp_seconds", SALES] == at(24).timestamp()
    assert found["dataset_fresh_until_timestamp_seconds", SALES] > at(24).timestamp()
    assert ("dataset_fresh_until_timestamp_seconds", STOCK) not in found
    assert found["dataset_failed_timestamp_seconds", STOCK] == at(24).timestamp()
    assert ("dataset_failed_timestamp_seconds", SALES) not in found
    assert (found["dataset_failures_total", SALES], found["dataset_failures_total", STOCK]) == (0, 2)
    assert found["dataset_partitions", SALES] == 2
    assert found["dataset_rows", SALES] > 0
    assert found["dataset_failing_checks", SALES] == 1
    assert found["dataset_refused_rows", SALES] == 0
    assert found["dataset_lag_messages", STOCK] == 41
    assert ("dataset_lag_messages", SALES) not in found
    port = (*SALES[:1], ("port", 'big"query'), *SALES[1:])
    assert (found["port_waiting_versions", port], found["port_differences", port]) == (2, 1)
    assert found["datasets_left_out", ()] == 0


def test_each_family_says_what_it_is_once_and_has_its_unit_in_its_name(site: Site) -> None:
    text = site.get("/metrics").text
    figures = [one for one in vars(dataset_metrics).values() if isinstance(one, Figure)]
    for figure in figures:
        assert text.count(f"# HELP dataproducts_{figure.name} {figure.text}\n# TYPE dataproducts_{figure.name} {figure.kind}\n") == 1
        assert (figure.kind == "counter") == figure.name.endswith("_total")
    assert len(figures) == text.count("# HELP dataproducts_")


def test_what_happens_to_a_dataset_adds_no_series(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_metrics, "KEPT_SECONDS", 0)
    before = set(values(site.get("/metrics").text))
    more = [delivery("shop/sales", f"2026-11-{n:02}", 1, 30 + n) for n in range(3, 28)]
    site.catalog.store.apply([*more, *(failure("shop/stock", 30 + n) for n in range(20))])
    after = values(site.get("/metrics").text)
    assert set(after) - before == set()
    assert after["dataset_failures_total", STOCK] == 21


def test_of_more_datasets_than_prometheus_should_hold_only_the_number_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_metrics, "MOST", 3)
    site.catalog.store.apply([dataset(f"shop/d{n}") for n in range(5)])
    found = values(site.get("/metrics").text)
    assert len([name for name, _ in found if name == "dataset_rows"]) == 3
    assert found["datasets_left_out", ()] == 4


def test_figures_are_made_once_for_many_who_ask(site: Site) -> None:
    now = [100.0]
    made = DatasetMetrics(site.catalog, lambda: now[0])
    first = made.text()
    site.catalog.store.apply([dataset("shop/new")])
    assert made.text() is first
    now[0] += KEPT_SECONDS
    assert b'dataset="new"' in made.text()


def test_a_database_that_is_gone_gives_no_figures(new_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch) -> None:
    from dataproducts.errors import CatalogUnavailable

    site = new_site()

    def gone() -> Any:
        raise CatalogUnavailable("gone")

    monkeypatch.setattr(site.catalog.database, "reading", gone)
    assert DatasetMetrics(site.catalog).text() == b""
