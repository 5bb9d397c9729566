"""`deploy/helm`: values that Dagster's chart takes, and that come to the same instance as the manifests."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from dataproducts import settings
from dataproducts.kubernetes.pod import SCRATCH_FOLDER
from dataproducts.manifests.jobs import INSTANCE, INSTANCE_FOLDER, INSTANCE_SECRET, SETTINGS
from tests.deploy import chart
from tests.deploy.kustomize import KUBERNETES, ROOT, Cluster, command

FILE = ROOT / "deploy/helm/values.yaml"
VALUES = yaml.safe_load(FILE.read_text())
DAGSTER = yaml.safe_load((KUBERNETES / "overlays/gcp/dagster.yaml").read_text())
PODS = [VALUES["dagsterWebserver"], VALUES["dagsterDaemon"], *VALUES["dagster-user-deployments"]["deployments"]]


def snake(given: Any) -> Any:
    """Names of the chart as they are in dagster.yaml."""
    if isinstance(given, dict):
        return {re.sub("([A-Z])", r"_\1", key).lower(): snake(value) for key, value in given.items()}
    return [snake(one) for one in given] if isinstance(given, list) else given


def test_the_chart_knows_every_value() -> None:
    jsonschema.Draft202012Validator(chart.VALUES).validate(VALUES)
    (version,) = re.findall(r"--version (\S+)", FILE.read_text())
    assert f"dagster=={version}\n" in (ROOT / "requirements.lock").read_text()


def test_the_instance_is_the_one_of_the_manifests() -> None:
    daemon = VALUES["dagsterDaemon"]
    monitoring = snake(daemon["runMonitoring"])
    assert monitoring.pop("free_slots_after_run_end_seconds") == 0
    assert monitoring == DAGSTER["run_monitoring"]
    assert snake(daemon["runRetries"]) == DAGSTER["run_retries"]
    assert snake(daemon["sensors"]) == DAGSTER["sensors"]
    assert snake(daemon["schedules"]) == DAGSTER["schedules"]
    assert snake(daemon["runCoordinator"]["config"]["queuedRunCoordinator"]) == DAGSTER["run_coordinator"]["config"]
    assert VALUES["runLauncher"]["config"]["customRunLauncher"] == DAGSTER["run_launcher"]
    concurrency, retention = snake(VALUES["concurrency"]), snake(VALUES["retention"])
    assert concurrency.pop("enabled")
    assert concurrency == DAGSTER["concurrency"]
    assert retention.pop("enabled")
    assert retention == DAGSTER["retention"]
    for name, value in VALUES["additionalInstanceConfig"].items():
        assert value == DAGSTER[name]
    logs = snake(VALUES["computeLogManager"]["config"]["gcsComputeLogManager"])
    assert {**logs, "bucket": {"env": "DAGSTER_COMPUTE_LOGS_BUCKET"}} == DAGSTER["compute_logs"]["config"]
    assert VALUES["telemetry"] == DAGSTER["telemetry"]
    assert VALUES["postgresql"]["postgresqlScheme"] == "postgresql+psycopg2"  # its storage is Dagster's own, on the same tables


def test_the_names_are_those_that_jobs_use() -> None:
    assert f"{VALUES['fullnameOverride']}-instance" == INSTANCE
    assert VALUES["global"] == {"dagsterHome": INSTANCE_FOLDER, "postgresqlSecretName": INSTANCE_SECRET}
    (deployment,) = VALUES["dagster-user-deployments"]["deployments"]
    assert deployment["name"] == settings.location()
    for pod in PODS:
        assert pod["image"] == deployment["image"]
        assert {"name": SETTINGS} in pod["envConfigMaps"]
        assert pod["volumeMounts"][0]["mountPath"] == SCRATCH_FOLDER


@pytest.mark.skipif(command() is None, reason="needs kubectl or kustomize")
def test_what_the_chart_does_not_make_is_made_beside_it() -> None:
    beside = Cluster(ROOT / "deploy/helm")
    for document in beside.documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    accounts = set(beside.of("ServiceAccount"))
    assert VALUES["serviceAccount"]["name"] in accounts
    assert VALUES["dagster-user-deployments"]["serviceAccount"]["name"] in accounts
    assert DAGSTER["run_launcher"]["config"]["service_account_name"] in accounts
    (image,) = {container["image"] for _, container in beside.containers()}
    assert image == "{repository}:{tag}".format(**VALUES["dagsterDaemon"]["image"])
    for _, container in beside.containers():
        assert container["securityContext"] == VALUES["dagsterDaemon"]["securityContext"]
    lake = beside.of("ConfigMap")[SETTINGS]["data"]["DATAPRODUCTS_LAKE"]
    assert lake.startswith(f"gs://{VALUES['computeLogManager']['config']['gcsComputeLogManager']['bucket']}/")
