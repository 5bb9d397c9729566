"""What leaves through ports, told to the catalog and held against the datasets."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest
from click.testing import CliRunner, Result

import dataproducts as dp
from dataproducts.catalog import target
from dataproducts.cli.group import Commands
from dataproducts.cli.reconcile import reconcile
from dataproducts.errors import PortError
from dataproducts.messages import Arrival, CheckResult, Definition, Failure
from dataproducts.ports.port import Batch
from dataproducts.publication import ports as at_ports
from dataproducts.publication import reconcile as work
from dataproducts.publication.sensor import Publication
from tests.ports.shelf import Shelf
from tests.publication.conftest import Memory

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
SHELF = dg.AssetKey(["shop", "sales", "shelf"])


@pytest.fixture
def broken() -> list[str]:
    """What the shelf says, where it takes nothing."""
    return []


@pytest.fixture
def shelf(tmp_path: Path, broken: list[str], monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr("dataproducts.port_asset.RETRIES", dg.RetryPolicy(max_retries=0))

    def refuse(batch: Batch) -> None:
        if broken:
            raise PortError(broken[0])

    return Shelf(str(tmp_path / "shelf.jsonl"), before=refuse)


@pytest.fixture
def shop(product: Any, shelf: Shelf) -> Any:
    class Sale(pa.DataFrameModel):
        """What was sold."""

        id: int = dp.column("Number of the receipt.")

    @product.dataset(schema=Sale, key="id", partitions=DAYS, row_change=None, ports=[shelf])
    def sales(partition: str) -> pl.DataFrame:
        return pl.DataFrame({"id": range(int(partition[-2:]))}, schema={"id": pl.Int64})

    return product


@pytest.fixture
def materialize(shop: Any, log: Any) -> Callable[..., bool]:
    def run(day: str, *selection: dg.AssetKey) -> bool:
        assets = [shop.datasets["sales"], *shop.ports["sales"]]
        done = dg.materialize(
            assets,
            selection=list(selection) or None,
            partition_key=day,
            instance=log,
            resources={"bracket": "steel"},
            raise_on_error=False,
        )
        return bool(done.success)

    return run


@pytest.fixture
def command(shop: Any, catalog: Memory, log: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`dataproducts reconcile`, all of it published first."""
    monkeypatch.setattr("dataproducts.definitions.products", lambda: {"shop": shop})
    monkeypatch.setattr("dataproducts.definitions.resources", lambda: {"bracket": "steel"})
    monkeypatch.setattr("dataproducts.cli.location.declared", dict)
    monkeypatch.setattr(target, "target", lambda: catalog)
    monkeypatch.setattr(dg.DagsterInstance, "get", classmethod(lambda _: log))
    monkeypatch.setattr(log, "__exit__", lambda *_: None, raising=False)
    monkeypatch.setattr(work, "ON_ITS_WAY", timedelta(0))
    group = Commands("dataproducts", commands={"reconcile": reconcile})

    def run(*arguments: str) -> Result:
        Publication({"shop": shop}, catalog, "dataproducts").tick(log, None)
        return CliRunner().invoke(group, ["reconcile", *arguments])

    return run


def test_the_catalog_is_told_of_ports_and_of_what_has_arrived(shop: Any, materialize: Any, log: Any, catalog: Memory, shelf: Shelf) -> None:
    assert materialize("2026-01-02")
    Publication({"shop": shop}, catalog, "here").tick(log, None)
    (declared,) = [one.dataset for one in catalog.of(Definition) if one.dataset]
    assert [(port.name, port.kind, port.address) for port in declared.ports][1:] == [("shelf", "file", shelf.path)]
    assert "shelf/arrived" in declared.checks
    (arrival,) = catalog.of(Arrival)
    assert (arrival.dataset, arrival.port, arrival.partition, arrival.number, arrival.rows) == ("shop/sales", "shelf", "2026-01-02", 1, 2)
    assert arrival.content_hash == catalog.deliveries[0].content_hash
    assert arrival.facts == {"lines": "1"}
    checks = {one.check: one.passed for one in catalog.of(CheckResult)}
    assert checks["shelf/arrived"] is True


def test_a_port_that_failed_is_no_failure_of_its_dataset(shop: Any, materialize: Any, log: Any, catalog: Memory, broken: list[str]) -> None:
    broken.append("shop/sales: the shelf is full; take something off it")
    assert not materialize("2026-01-02")
    Publication({"shop": shop}, catalog, "here").tick(log, None)
    assert [(one.dataset, one.port, one.errors) for one in catalog.of(Failure)] == [
        ("shop/sales", "shelf", {"2026-01-02": "shop/sales: the shelf is full; take something off it"})
    ]
    assert len(catalog.deliveries) == 1


def test_reconcile_shows_every_port_and_passes_where_all_is_equal(command: Any, materialize: Any, catalog: Memory) -> None:
    assert materialize("2026-01-02")
    assert materialize("2026-01-03")
    done = command()
    assert done.exit_code == 0, done.output
    assert ["shop/sales/shelf", "2", "5", "0", "0"] in [line.split() for line in done.stdout.splitlines()]
    assert "ports: 1 equal" in done.stdout
    assert [(one.port, one.versions, one.rows, one.differences) for one in catalog.proof.ports] == [("shelf", 2, 5, 0)]


def test_reconcile_names_what_is_not_delivered_yet_and_what_to_do(command: Any, materialize: Any, catalog: Memory) -> None:
    assert materialize("2026-01-02", dg.AssetKey(["shop", "sales"]))
    done = command()
    assert done.exit_code == 1
    assert "shop/sales, shelf: partition 2026-01-02 version 1 still to be delivered" in done.stderr
    assert "materialize shop/sales/shelf" in done.stderr
    assert materialize("2026-01-02", SHELF)
    assert command().exit_code == 0


def test_a_version_is_under_way_for_ten_minutes_and_then_waited_for(shop: Any, materialize: Any) -> None:
    assert materialize("2026-01-02", dg.AssetKey(["shop", "sales"]))
    assert materialize("2026-01-03", dg.AssetKey(["shop", "sales"]))
    first, second = sorted(version.known_at for version in shop.datasets["sales"].history().versions())

    grace = timedelta(minutes=10)

    def at(moment: datetime) -> tuple[int, int, bool]:
        (found,) = at_ports.compared({"shop": shop}, {"bracket": "steel"}, full=False, since=moment - grace)
        assert found.proof is not None
        return found.proof.waiting, found.under_way, found.is_equal

    assert at(second) == (0, 2, True)
    assert at(first + grace) == (1, 1, False)
    assert at(second + grace) == (2, 0, False)


def test_the_hourly_check_passes_while_all_that_is_missing_is_under_way(
    shop: Any, materialize: Any, log: Any, catalog: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset, reconciled, *_, hourly, _, _, _ = work.reconciliation({"shop": shop}, catalog, "here")
    defs = dg.Definitions(assets=[asset], asset_checks=[reconciled], jobs=[hourly], resources={"bracket": "steel"})
    assert materialize("2026-01-02", dg.AssetKey(["shop", "sales"]))
    Publication({"shop": shop}, catalog, "here").tick(log, None)

    def evaluation() -> Any:
        (found,) = defs.resolve_job_def("reconcile_catalog").execute_in_process(instance=log).get_asset_check_evaluations()
        return found

    young = evaluation()
    assert (young.passed, young.metadata["under way to ports"].value) == (True, 1)
    assert catalog.proof.ports[0].waiting == 0
    assert "shop/sales, shelf: 1 under way" in catalog.proof.details
    monkeypatch.setattr(work, "TO_A_PORT", timedelta(0))
    old = evaluation()
    assert (old.passed, "under way to ports" in old.metadata) == (False, False)


@pytest.mark.parametrize(("harm", "times"), [(lambda lines: [], 0), (lambda lines: lines * 2, 2)], ids=["lost", "doubled"])
def test_reconcile_names_what_was_lost_or_doubled(
    command: Any, materialize: Any, catalog: Memory, shelf: Shelf, harm: Any, times: int
) -> None:
    assert materialize("2026-01-02")
    file = Path(shelf.path)
    file.write_text("".join(harm(file.read_text().splitlines(keepends=True))))
    done = command("--quick")
    assert done.exit_code == 1
    assert f"shop/sales, shelf: version 1 of 2026-01-02 is there {times} times" in done.stderr
    assert "take it off the shelf" in done.stderr
    assert "to deliver what is missing" not in done.stderr
    assert catalog.proof.ports[0].differences == 1
    assert f"version 1 of 2026-01-02 is there {times} times" in json.dumps(catalog.proof.details)


def test_a_dataset_that_is_sent_again_has_its_ports(shop: Any, command: Any, log: Any, catalog: Memory) -> None:
    work.repair({"shop": shop}, catalog, "dataproducts", work.compare(log, {"shop": shop}, catalog, "dataproducts"))
    (sent,) = [one.dataset for one in catalog.of(Definition) if one.dataset]
    Publication({"shop": shop}, catalog, "dataproducts").tick(log, None)
    assert [one.dataset for one in catalog.of(Definition) if one.dataset][-1] == sent
    assert [port.name for port in sent.ports] == ["lake", "shelf"]


def test_an_idle_port_is_not_held_against_anything(shop: Any, command: Any, materialize: Any, catalog: Memory) -> None:
    from dataclasses import replace

    (port,) = shop.ports["sales"]
    port.port = replace(port.port, why_idle="SHELF_HEIGHT is not set")
    assert materialize("2026-01-02", dg.AssetKey(["shop", "sales"]))
    done = command()
    assert done.exit_code == 0, done.output
    assert "shop/sales/shelf writes nowhere: SHELF_HEIGHT is not set" in done.stderr
    assert catalog.proof.ports == ()
