"""`dagster.yaml` of the deployments, as Dagster itself reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import class_from_code_pointer
from dagster_postgres.utils import pg_url_from_config

from dataproducts.kubernetes.pod import SCRATCH_FOLDER
from tests.deploy.conftest import Databases
from tests.deploy.kustomize import KUBERNETES

FILES = {"base": KUBERNETES / "base/dagster/dagster.yaml", "gcp": KUBERNETES / "overlays/gcp/dagster.yaml"}
VARIABLES = {
    "DAGSTER_PG_HOST": "db", "DAGSTER_PG_PORT": "5432", "DAGSTER_PG_DB": "dagster", "DAGSTER_PG_USERNAME": "dagster",
    "DAGSTER_PG_PASSWORD": "secret", "DAGSTER_NAMESPACE": "dataproducts", "DAGSTER_COMPUTE_LOGS_BUCKET": "lake",
}  # fmt: skip


@pytest.fixture(params=list(FILES))
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A DAGSTER_HOME with the file, and the variables that a pod has."""
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "dagster.yaml").write_text(FILES[request.param].read_text())
    return tmp_path


def test_dagster_takes_every_setting_and_every_class_takes_its_own(folder: Path) -> None:
    settings, _ = dagster_instance_config(str(folder))
    classes = {name: value for name, value in settings.items() if isinstance(value, dict) and "class" in value}
    classes |= settings["storage"]
    assert set(classes) == {"custom", "compute_logs", "local_artifact_storage", "run_launcher", "run_coordinator"}
    taken = {}
    for name, value in classes.items():
        made = class_from_code_pointer(value["module"], value["class"])
        taken[name] = process_config(resolve_to_config_type(made.config_type()), value.get("config", {}))
        assert taken[name].success, (name, taken[name].errors)
    assert pg_url_from_config(taken["custom"].value) == "postgresql://dagster:secret@db:5432/dagster"
    reference = InstanceRef.from_dir(str(folder))
    assert type(reference.local_artifact_storage).__name__ == "LocalArtifactStorage"
    assert reference.local_artifact_storage.base_dir.startswith(SCRATCH_FOLDER)


def test_a_broken_contract_is_never_run_again_and_a_lost_pod_is(folder: Path) -> None:
    settings, _ = dagster_instance_config(str(folder))
    retries, monitoring = settings["run_retries"], settings["run_monitoring"]
    assert retries["enabled"]
    assert retries["max_retries"] > 0
    assert retries["retry_on_asset_or_op_failure"] is False
    assert monitoring["enabled"]
    assert monitoring["max_resume_run_attempts"] == 0  # a run begins anew: what it has stored it does not store again
    assert settings["telemetry"] == {"enabled": False}
    assert settings["sensors"]["use_threads"]
    assert settings["schedules"]["use_threads"]


def test_ticks_of_which_there_are_most_are_kept_shortest(folder: Path) -> None:
    kept = dagster_instance_config(str(folder))[0]["retention"]
    for kind in ("schedule", "sensor", "auto_materialize"):
        days = kept[kind]["purge_after_days"]
        assert 0 < days["skipped"] < days["success"] <= days["failure"]


def test_google_clouds_differs_in_where_the_logs_of_runs_are_kept_and_what_a_tag_may_ask_for_and_in_nothing_else() -> None:
    base, gcp = (yaml.safe_load(FILES[name].read_text()) for name in ("base", "gcp"))
    assert base.pop("compute_logs") != gcp.pop("compute_logs")
    assert gcp["run_launcher"]["config"].pop("only_allow_user_defined_k8s_config_fields") == {"container_config": {"resources": True}}
    assert base == gcp


@pytest.mark.parametrize("folder", ["base"], indirect=True)
def test_an_instance_is_made_on_postgresql(folder: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    import dagster_k8s.launcher

    monkeypatch.setattr(dagster_k8s.launcher, "load_kubernetes_config", lambda **_: None)
    for name, value in databases.dagster.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.from_config(str(folder)) as instance:
        assert instance.get_runs_count() == 0
        assert type(instance.run_coordinator).__name__ == "QueuedRunCoordinator"
        launcher: Any = instance.run_launcher
        assert launcher.job_namespace == "dataproducts"
        queue = instance.get_concurrency_config().run_queue_config
        assert queue is not None
        assert queue.max_concurrent_runs == 20
