"""Whether the catalog has what the lake and the event log have, and what brings it there."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import dataproducts as dp
from dataproducts.errors import CatalogUnavailable
from dataproducts.publication.reconcile import compare, published, reconcile, reconciliation, repair, sentence
from dataproducts.publication.sensor import Publication, publication_sensor
from tests.conftest import FACTS, PUBLIC
from tests.publication.conftest import Memory, away, furnished, run_range

LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory, unused_storage: Path) -> Path:
    """A folder with a lake and Dagster's memory that hold three partitions of sales, and the totals."""
    folder = tmp_path_factory.mktemp("held") / "shop"
    folder.mkdir()
    (folder / "product.yaml").write_text(FACTS.format(name="shop", **PUBLIC))
    shutil.copytree(unused_storage, folder / "dagster")
    shop = furnished(dp.DataProduct(folder))
    with (
        pytest.MonkeyPatch.context() as patch,
        dg.DagsterInstance.local_temp(str(folder / "dagster"), overrides={"telemetry": {"enabled": False}}) as instance,
    ):
        patch.setenv("DATAPRODUCTS_HOME", str(folder))
        run_range(shop.datasets["sales"], instance, "p00", "p02")
        dg.materialize([shop.datasets["totals"]], instance=instance)
    return folder


@pytest.fixture
def stored(shop: Any, log: Any, held: Path, home: Path, tmp_path: Path) -> Any:
    """The shop, with what is held in its own lake and log."""
    shutil.copytree(held / "lake", home / "lake")
    shutil.copytree(held / "dagster", tmp_path, dirs_exist_ok=True)
    return shop


def publish(shop: Any, log: Any, catalog: Memory) -> None:
    Publication({"shop": shop}, catalog, "here").tick(log, None)


def test_after_publication_nothing_is_behind_or_missing_and_the_catalog_is_told(stored: Any, log: Any, catalog: Memory) -> None:
    publish(stored, log, catalog)
    proof = reconcile(log, {"shop": stored}, catalog, "here", now=LATER)
    assert (proof.compared, proof.behind, proof.missing, proof.dead, proof.lag_seconds) == (4, 0, 0, 0, 0)
    assert catalog.proof == proof
    assert sentence(proof) == f"0 behind, 0 missing, proven at {LATER:%Y-%m-%d %H:%M} UTC"


def test_a_catalog_that_knows_nothing_misses_every_dataset_and_repair_brings_it_there(stored: Any, log: Any, catalog: Memory) -> None:
    found = compare(log, {"shop": stored}, catalog, "here", LATER)
    assert found.missing == ["shop/sales", "shop/totals", "shop/prices"]
    assert [(b.dataset, b.partition, b.number, b.has) for b in found.behind] == [
        ("shop/sales", "p00", 1, None),
        ("shop/sales", "p01", 1, None),
        ("shop/sales", "p02", 1, None),
        ("shop/totals", "-", 1, None),
    ]
    assert repair({"shop": stored}, catalog, "here", found) == []
    proof = reconcile(log, {"shop": stored}, catalog, "here", now=LATER)
    assert (proof.behind, proof.missing) == (0, 0)
    keys = {m.key for m in catalog.deliveries}
    publish(stored, log, catalog)
    assert {m.key for m in catalog.deliveries} == keys  # what was sent again is what the sensor sends


def test_a_delivery_that_was_lost_is_named_with_what_each_side_has(stored: Any, log: Any, catalog: Memory) -> None:
    publish(stored, log, catalog)
    lost = next(m for m in catalog.deliveries if m.partition == "p01")
    del catalog.messages[lost.key], catalog.digests[lost.key]
    proof = reconcile(log, {"shop": stored}, catalog, "here", now=LATER)
    assert proof.behind == 1
    assert proof.details == ("shop/sales p01: the lake and the event log have version 1, the catalog none",)
    assert proof.lag_seconds == pytest.approx((LATER - lost.known_at).total_seconds(), abs=1)


def test_a_version_no_event_tells_of_is_behind_and_repaired_from_the_ledger(stored: Any, log: Any, catalog: Memory) -> None:
    """As after a run that was killed between the commit and its event."""
    publish(stored, log, catalog)
    sales = stored.datasets["sales"]
    with dg.DagsterInstance.ephemeral() as elsewhere:
        dg.materialize([sales], partition_key="p05", instance=elsewhere)
    found = compare(log, {"shop": stored}, catalog, "here", LATER)
    assert [(b.partition, b.why) for b in found.behind] == [("p05", "the lake has version 1, and the event log none")]
    assert repair({"shop": stored}, catalog, "here", found) == []
    (delivery,) = [m for m in catalog.deliveries if m.partition == "p05"]
    assert (delivery.rows, delivery.content_hash) == (3, sales.history().current()["p05"].content_hash)
    assert reconcile(log, {"shop": stored}, catalog, "here", now=LATER).behind == 0


def test_what_is_a_minute_old_is_on_its_way_and_not_behind(stored: Any, log: Any, catalog: Memory) -> None:
    found = compare(log, {"shop": stored}, catalog, "here", datetime.now(UTC))
    assert (found.behind, found.on_their_way) == ([], 4)


def test_a_lake_that_lost_what_the_others_have_is_a_remark_and_not_the_catalogs_fault(
    stored: Any, log: Any, catalog: Memory, home: Any
) -> None:
    publish(stored, log, catalog)
    shutil.rmtree(home / "lake" / "shop" / "totals")
    found = compare(log, {"shop": stored}, catalog, "here", LATER)
    assert (found.behind, found.remarks) == ([], ["shop/totals -: the event log and the catalog have version 1, the lake has none"])


def test_a_damaged_entry_of_the_log_does_not_stop_the_proof(stored: Any, log: Any, catalog: Memory) -> None:
    from dagster._core.storage.event_log.schema import SqlEventLogStorageTable

    with log.event_log_storage.index_connection() as connection:
        connection.execute(SqlEventLogStorageTable.update().values(event="{"))
    found = compare(log, {"shop": stored}, catalog, "here", LATER)
    assert len(found.behind) == 4  # told from the ledger


def test_the_job_fails_its_check_while_something_is_behind_and_passes_when_not(stored: Any, log: Any, catalog: Memory) -> None:
    asset, reconciled, contents, reported, hourly, at_each_hour, nightly, at_night = reconciliation({"shop": stored}, catalog, "here")
    schedules = [at_each_hour, at_night]
    checks = [reconciled, contents, reported]
    defs = dg.Definitions(assets=[asset], asset_checks=checks, jobs=[hourly, nightly], schedules=schedules)
    dg.Definitions.validate_loadable(defs)
    assert [one.default_status for one in schedules] == [dg.DefaultScheduleStatus.RUNNING] * 2

    def evaluation() -> Any:
        (found,) = defs.resolve_job_def("reconcile_catalog").execute_in_process(instance=log).get_asset_check_evaluations()
        return found

    first = evaluation()
    assert (first.check_name, first.passed) == ("reconciled", False)
    assert first.metadata["missing"].value == 3
    publish(stored, log, catalog)
    second = evaluation()
    assert second.passed
    assert second.description.startswith("0 behind, 0 missing, proven at ")
    catalog.before = away
    failed = defs.resolve_job_def("reconcile_catalog").execute_in_process(instance=log, raise_on_error=False)
    assert not failed.success


def test_dead_letters_of_the_running_sensor_are_in_the_proof(stored: Any, log: Any, catalog: Memory) -> None:
    from dagster._core.definitions.run_request import InstigatorType
    from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
    from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, SensorInstigatorData
    from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

    catalog.poison = lambda m: getattr(m, "partition", "") == "p01"
    sensor = publication_sensor({"shop": stored}, catalog, "here", attempts=1)
    with dg.build_sensor_context(instance=log) as context:
        cursor = sensor.evaluate_tick(context).cursor
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(module_name="x"), location_name="here")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), "publish_metadata")
    data = SensorInstigatorData(cursor=cursor)
    log.add_instigator_state(InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.RUNNING, data))
    assert [dead.reason for dead in published(log, "here").dead.values()] == ["it is poison"]
    assert published(log, "elsewhere", "another").dead == {}
    proof = reconcile(log, {"shop": stored}, catalog, "here", now=LATER)
    assert (proof.dead, proof.behind) == (1, 1)
    assert "1 given up" in sentence(proof)


def test_a_catalog_that_is_away_proves_nothing(stored: Any, log: Any, catalog: Memory) -> None:
    catalog.before = away
    with pytest.raises(CatalogUnavailable):
        reconcile(log, {"shop": stored}, catalog, "here")
