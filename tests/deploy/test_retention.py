"""Dagster's event log within bounds: what is derived from it stays as it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.events import DagsterEventType

from dataproducts.errors import ConfigurationError
from dataproducts.retention import PASSING, forget
from tests.deploy.conftest import Databases
from tests.deploy.kustomize import KUBERNETES

DAYS = dg.StaticPartitionsDefinition(["a", "b"])


@dg.asset(partitions_def=DAYS, check_specs=[dg.AssetCheckSpec("sound", asset="sales")])
def sales(context):
    context.log.info("in words")
    return dg.MaterializeResult(metadata={"rows": 1}, check_results=[dg.AssetCheckResult(check_name="sound", passed=True)])


@pytest.fixture
def instance(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    for name, value in databases.dagster.items():
        monkeypatch.setenv(name, value)
    storage = {"storage": yaml.safe_load((KUBERNETES / "base/dagster/dagster.yaml").read_text())["storage"]}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={**storage, "telemetry": {"enabled": False}}) as made:
        yield made


def derived(instance: dg.DagsterInstance) -> list[Any]:
    """What Dagster says of the asset."""
    check = dg.AssetCheckKey(sales.key, "sound")
    storage: Any = instance.event_log_storage
    return [
        instance.get_materialized_partitions(sales.key),
        [(r.partition_key, r.storage_id) for r in instance.fetch_materializations(sales.key, limit=10).records],
        [(r.run_id, r.status) for r in storage.get_asset_check_execution_history(check, limit=10)],
        [(run.run_id, run.status) for run in instance.get_runs()],
    ]


def test_how_a_run_went_is_forgotten_and_what_it_has_made_is_not(instance: dg.DagsterInstance) -> None:
    runs = [dg.materialize([sales], instance=instance, partition_key=key).run_id for key in ("a", "b")]
    before = derived(instance)
    assert forget(instance, 30, datetime.now(UTC) + timedelta(days=29)) == 0
    assert [event.message for event in instance.all_logs(runs[0])].count("in words") == 1
    many = sum(len(instance.all_logs(run)) for run in runs)
    removed = forget(instance, 30, datetime.now(UTC) + timedelta(days=31))
    left = [event for run in runs for event in instance.all_logs(run)]
    assert removed == many - len(left)
    assert removed > many / 3
    assert not {event.get_dagster_event().event_type_value for event in left if event.is_dagster_event} & set(PASSING)
    assert "in words" not in [event.message for event in left]
    assert derived(instance) == before
    assert forget(instance, 30, datetime.now(UTC) + timedelta(days=31)) == 0


def test_passing_types_are_types_of_dagsters() -> None:
    assert set(PASSING) - {None} <= {one.value for one in DagsterEventType}
    assert not any("ASSET" in kind or "FAILURE" in kind or "PIPELINE" in kind for kind in PASSING if kind)


def test_a_log_that_is_a_file_for_each_run_is_left_alone(persistent: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not on PostgreSQL"):
        forget(persistent, 30, datetime.now(UTC))
