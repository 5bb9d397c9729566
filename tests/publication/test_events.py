"""What an entry of Dagster's log says, as a message."""

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
from dataproducts.messages import CheckResult, Failure
from dataproducts.publication.sensor import Publication
from tests.publication.conftest import BEGAN, Memory, delivered, run_range, write


def published(product: Any, instance: Any) -> Memory:
    catalog = Memory()
    ticked = Publication({product.name: product}, catalog, "here").tick(instance, None)
    assert ticked.problems == ()
    return catalog


def test_a_delivery_tells_version_rows_figures_and_which_versions_it_was_made_from(shop: Any, log: Any) -> None:
    run_range(shop.datasets["sales"], log, "p00", "p01")
    dg.materialize([shop.datasets["totals"]], instance=log)
    catalog = published(shop, log)
    by_name = {(m.dataset, m.partition): m for m in catalog.deliveries}
    sales, totals = by_name["shop/sales", "p00"], by_name["shop/totals", "-"]
    version = dp.versions("shop/sales", "p00")[0]
    assert (sales.number, sales.rows, sales.received, sales.refused) == (1, 3, 3, 0)
    assert (sales.content_hash, sales.contract, sales.unchanged) == (version.content_hash, "1.0.0", False)
    assert abs(sales.known_at - version.known_at) < timedelta(milliseconds=1)
    number, text = sales.profile
    assert (number.name, number.smallest, number.largest, number.distinct) == ("number", "1", "3", 3)
    assert (text.nulls, dict(text.frequent)) == (1, {"p00": 1, "x": 1})
    assert totals.inputs == {"shop/sales": (("p00", 1), ("p01", 1))}
    assert totals.facts == {"file": "a.csv"}


def test_the_same_content_again_is_a_delivery_that_says_so(shop: Any, log: Any) -> None:
    for _ in range(2):
        dg.materialize([shop.datasets["sales"]], partition_key="p00", instance=log)
    found = sorted(published(shop, log).deliveries, key=lambda m: m.storage_id)
    assert [(m.number, m.unchanged) for m in found] == [(1, False), (1, True)]


def test_no_value_of_a_personal_column_is_in_any_message(facts_file: Callable[..., Path], log: Any) -> None:
    product = dp.DataProduct(facts_file(personal=True))

    class Person(pa.DataFrameModel):
        number: int = dp.column("Number.", personal="none", ge=0)
        name: str = dp.column(
            "Name.", personal="directly_identifying", examples=["Ola Testesen"], str_length={"max_value": 5}, raise_warning=True
        )

        class Config:
            unique = "number"

    @product.dataset(schema=Person)
    def people() -> pl.DataFrame:
        return pl.DataFrame({"number": [1, 2], "name": ["Ola Testesen", None]}, schema_overrides={"name": pl.String}).drop_nulls()

    dg.materialize([people], instance=log)
    catalog = published(product, log)
    assert len(catalog.deliveries) == 1
    (profile,) = [f for f in catalog.deliveries[0].profile if f.name == "name"]
    assert (profile.nulls, profile.distinct, profile.smallest, profile.frequent) == (0, None, None, ())
    assert any(not c.passed for c in catalog.of(CheckResult))
    assert not [m for m in catalog.messages.values() if "Testesen" in m.model_dump_json()]


def test_a_failure_tells_each_partition_its_error_and_quotes_nothing_that_foreign_code_said(shop: Any, log: Any) -> None:
    run_range(shop.datasets["prices"], log, "p12", "p14")
    dg.materialize([shop.datasets["prices"]], partition_key="p13", instance=log, raise_on_error=False)
    catalog = published(shop, log)
    ranged, single = sorted(catalog.of(Failure), key=lambda m: m.storage_id)
    assert ranged.errors == single.errors == {"p13": "Stopped by ValueError; the run's log has the rest."}
    assert {m.partition for m in catalog.deliveries} == {"p12", "p14"}
    assert not [m for m in catalog.messages.values() if "Nordmann" in m.model_dump_json()]


def test_a_breach_is_a_failure_in_the_kits_own_words(product: Any, log: Any) -> None:
    class Row(pa.DataFrameModel):
        number: int = dp.column("Number.", ge=0)

    @product.dataset(schema=Row, partitions=dg.StaticPartitionsDefinition(["a", "b"]))
    def negative(partition: str) -> pl.DataFrame:
        return pl.DataFrame({"number": [-1 if partition == "b" else 1]})

    run_range(negative, log, "a", "b")
    catalog = published(product, log)
    (failure,) = catalog.of(Failure)
    assert list(failure.errors) == ["b"]
    assert "1 of 1 rows break the contract" in failure.errors["b"]
    assert [c.check for c in catalog.of(CheckResult) if not c.passed] == ["number_greater_than_or_equal_to"]
    (failed,) = [c for c in catalog.of(CheckResult) if not c.passed]
    assert (failed.severity, failed.partitions, failed.facts["failed_rows"]) == ("error", "2: a … b", "1")


def test_a_dataset_that_was_not_reached_because_another_failed_says_which(product: Any, log: Any) -> None:
    class Row(pa.DataFrameModel):
        number: int = dp.column("Number.")

    @product.dataset(schema=Row)
    def first() -> pl.DataFrame:
        raise RuntimeError("no")

    @product.dataset(schema=Row)
    def second(first: pl.DataFrame) -> pl.DataFrame:
        return first

    dg.materialize([first, second], instance=log, raise_on_error=False)
    errors = {f.dataset: f.errors for f in published(product, log).of(Failure)}
    assert errors["shop/second"] == {"-": "Not stored, since shop/first failed in the same run."}
    assert errors["shop/first"] == {"-": "Stopped by RuntimeError; the run's log has the rest."}


def test_a_canceled_run_is_a_failure_of_what_it_had_not_stored(shop: Any, log: Any) -> None:
    run = log.create_run_for_job(job_def=dg.Definitions(assets=[shop.datasets["totals"]]).resolve_implicit_global_asset_job_def())
    log.report_run_canceled(run)
    (failure,) = published(shop, log).of(Failure)
    assert (failure.dataset, failure.errors) == ("shop/totals", {"-": "The run was canceled before this was stored."})


def test_a_materialization_somebody_reports_by_hand_is_no_version(shop: Any, log: Any) -> None:
    log.report_runless_asset_event(dg.AssetMaterialization(["shop", "sales"], partition="p00"))
    log.report_runless_asset_event(delivered(shop.datasets["sales"], "p01"))
    (delivery,) = published(shop, log).deliveries
    assert (delivery.partition, delivery.run) == ("p01", "-")


def test_what_an_author_says_beside_the_rows_is_made_into_lines_that_can_be_sent(shop: Any, log: Any) -> None:
    more = {"note": "a\x00b\nc", "long": "x" * 5_000, "list": [1, 2], "": "nothing", "n": None}
    write(log, [(BEGAN, delivered(shop.datasets["sales"], "p00", metadata=more))])
    (delivery,) = published(shop, log).deliveries
    assert delivery.facts["note"] == "a b c"
    assert len(delivery.facts["long"]) == 2_000
    assert delivery.facts["list"] == "[1, 2]"


def test_an_instance_without_a_database_is_refused_in_one_sentence(shop: Any) -> None:
    class Elsewhere:
        event_log_storage = object()

    with pytest.raises(dp.errors.ConfigurationError, match="reads Dagster's event log in a database"):
        Publication({"shop": shop}, Memory(), "here").tick(Elsewhere(), None)  # type: ignore[arg-type]
