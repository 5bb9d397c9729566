"""The same as OpenLineage events."""

from __future__ import annotations

import json
from typing import Any

import dagster as dg
import pytest
from openlineage.client import OpenLineageClient
from openlineage.client.serde import Serde
from openlineage.client.transport import Config, Transport

from dataproducts.errors import CatalogUnavailable
from dataproducts.publication.lineage_events import NAME, OpenLineageTarget
from dataproducts.publication.sensor import Publication, publication_sensor
from tests.publication.conftest import Memory, run_range


class Kept(Transport):
    kind = "kept"
    config_class = Config

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.is_away = False

    def emit(self, event: Any) -> None:
        if self.is_away:
            raise OSError("no route")
        self.events.append(json.loads(Serde.to_json(event)))


@pytest.fixture
def kept() -> Kept:
    return Kept()


def publisher(shop: Any, kept: Kept) -> Publication:
    return Publication({"shop": shop}, OpenLineageTarget({"shop": shop}, OpenLineageClient(transport=kept)), "here", name=NAME)


def events(kept: Kept, kind: str | None, name: str) -> list[dict[str, Any]]:
    return [e for e in kept.events if e.get("eventType") == kind and (e.get("job") or e["dataset"])["name"] == name]


def test_a_delivery_is_a_completed_run_with_schema_lineage_owner_and_version(shop: Any, log: Any, kept: Kept) -> None:
    run_range(shop.datasets["sales"], log, "p00", "p00")
    run = dg.materialize([shop.datasets["totals"]], instance=log).run_id
    assert publisher(shop, kept).tick(log, None).problems == ()
    (totals,) = events(kept, "COMPLETE", "shop/totals")
    (output,) = totals["outputs"]
    assert (output["namespace"], output["name"]) == ("here", "shop/totals")
    assert output["facets"]["version"]["datasetVersion"] == "-@1"
    assert [f["name"] for f in output["facets"]["schema"]["fields"]] == ["number", "text"]
    assert output["facets"]["ownership"]["owners"][0]["name"] == "team:team-shop"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 1
    assert [(i["name"], i["facets"]["version"]["datasetVersion"]) for i in totals["inputs"]] == [("shop/sales", "p00@1")]
    assert totals["run"]["facets"]["parent"]["run"]["runId"] == run
    (sales,) = events(kept, "COMPLETE", "shop/sales")
    assert [i["name"] for i in sales["inputs"]] == ["shop/source/till"]


def test_columns_come_from_the_sources_they_are_declared_to_come_from(product: Any, log: Any, kept: Kept) -> None:
    import pandera.polars as pa
    import polars as pl

    import dataproducts as dp

    class Row(pa.DataFrameModel):
        number: int = dp.column("Number.", source="nr")

    @product.dataset(schema=Row, source=dp.Source("till"))
    def sales() -> pl.DataFrame: ...

    publisher(product, kept).tick(log, None)
    (declared,) = events(kept, None, "shop/sales")
    fields = declared["dataset"]["facets"]["columnLineage"]["fields"]
    assert [(f["namespace"], f["name"], f["field"]) for f in fields["number"]["inputFields"]] == [("here", "shop/source/till", "nr")]


def test_a_pseudonym_comes_from_its_source_by_masking(facts_file: Any, log: Any, kept: Kept) -> None:
    import pandera.polars as pa
    import polars as pl

    import dataproducts as dp

    class Row(pa.DataFrameModel):
        number: int = dp.column("Number.", source="nr", personal="none")
        person: str = dp.column("Who.", source="fnr", pseudonym="person")

    product = dp.DataProduct(facts_file("bank", personal=True))

    @product.dataset(schema=Row, source=dp.Source("till"))
    def sales() -> pl.DataFrame: ...

    target = OpenLineageTarget({"bank": product}, OpenLineageClient(transport=kept))
    Publication({"bank": product}, target, "here", name=NAME).tick(log, None)
    (declared,) = events(kept, None, "bank/sales")
    fields = declared["dataset"]["facets"]["columnLineage"]["fields"]
    assert [t["masking"] for t in fields["person"]["inputFields"][0]["transformations"]] == [True]
    assert fields["number"]["inputFields"][0].get("transformations", []) == []


def test_checks_are_assertions_and_a_failure_is_a_failed_run(shop: Any, log: Any, kept: Kept) -> None:
    run_range(shop.datasets["prices"], log, "p13", "p14")
    publisher(shop, kept).tick(log, None)
    (checked,) = events(kept, "COMPLETE", "shop/prices.checks")
    found = {a["assertion"]: a for a in checked["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]}
    assert found["number_required"]["success"] is True
    assert found["number_required"]["column"] == "number"
    (failed,) = events(kept, "FAIL", "shop/prices")
    assert failed["run"]["facets"]["errorMessage"]["message"] == "p13: Stopped by ValueError; the run's log has the rest."


def test_a_dataset_that_is_gone_is_dropped(shop: Any, log: Any, kept: Kept) -> None:
    cursor = publisher(shop, kept).tick(log, None).cursor
    del shop.datasets["prices"]
    publisher(shop, kept).tick(log, cursor)
    dropped = events(kept, None, "shop/prices")[-1]
    assert dropped["dataset"]["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "DROP"


def test_a_backend_that_is_away_holds_up_its_own_sensor_and_never_the_catalogs(shop: Any, log: Any, kept: Kept) -> None:
    run_range(shop.datasets["sales"], log, "p00", "p01")
    catalog = Memory()
    kept.is_away = True
    lineage = OpenLineageTarget({"shop": shop}, lambda: OpenLineageClient(transport=kept))
    sensors = [publication_sensor({"shop": shop}, catalog, "here"), publication_sensor({"shop": shop}, lineage, "here", name=NAME)]
    assert [s.name for s in sensors] == ["publish_metadata", "publish_openlineage"]
    with dg.build_sensor_context(instance=log) as context:
        sensors[0].evaluate_tick(context)
    with dg.build_sensor_context(instance=log) as context, pytest.raises(CatalogUnavailable, match="no route"):
        sensors[1].evaluate_tick(context)
    assert len(catalog.deliveries) == 2
    kept.is_away = False
    with dg.build_sensor_context(instance=log) as context:
        sensors[1].evaluate_tick(context)
    assert len(events(kept, "COMPLETE", "shop/sales")) == 2
