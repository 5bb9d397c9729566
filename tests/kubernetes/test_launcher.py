"""Runs as Jobs of a cluster: what they are made of, why one has failed, and which of them are run again."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.selector import JobSubsetSelector
from dagster._core.events import DagsterEvent, DagsterEventType
from dagster._core.execution.api import execute_run
from dagster._core.execution.plan.objects import StepFailureData
from dagster._core.launcher import LaunchRunContext
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.test_utils import InProcessTestWorkspaceLoadTarget
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import consume_new_runs_for_automatic_reexecution
from dagster._daemon.monitoring import run_monitoring
from dagster._utils.hosted_user_process import recon_job_from_origin

from dataproducts import settings
from dataproducts.errors import ConfigurationError, DeclarationError
from tests.conftest import FACTS, PUBLIC
from tests.kubernetes import server
from tests.kubernetes.conftest import INSTANCE
from tests.kubernetes.server import Cluster

IMAGE = "registry.example.com/shop:1"
RUNTIMES = {
    "shop": """
runtime:
  resources: {cpu: 500m, memory: 3Gi, memory_limit: 4Gi, scratch: 20Gi}
  egress: [api.example.com]
  secrets: [shop-database]
  environment: [{name: SHOP_MODE, value: "on"}]
  retries: 3
  deadline_minutes: 90
  service_account: shop
  node_labels: [{name: disk, value: fast}]
""",
    "bank": """
runtime:
  resources: {cpu: "2", memory: 1Gi}
  secrets: [bank-database]
""",
    "till": """
runtime: {service_account: till}
""",
    "plain": "",
    "heavy": """
runtime: {resources: {memory: 32Gi}, isolate: steps}
""",
}
CODE = """
import dagster as dg, pandera.polars as pa
import dataproducts as dp
from dataproducts.kubernetes.executor import product_executor


class Row(pa.DataFrameModel):
    number: int = dp.column("Number.", ge=0)


def made(name):
    product = dp.DataProduct({folder!r} + "/" + name)

    @product.dataset(schema=Row, key="number", name="sales", schedule="0 5 * * *")
    def sales():
        "Sales."
        return [{{"number": 1}}]

    @product.dataset(schema=Row, key="number", name="wrong")
    def wrong():
        "Rows that break the contract."
        return [{{"number": -1}}]

    @dg.asset_check(asset=sales, name="by_hand")
    def by_hand():
        return dg.AssetCheckResult(passed=True)

    product.add(by_hand)
    return product.definitions()


defs = dg.Definitions.merge(*map(made, {names!r}), dg.Definitions(executor=product_executor))
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A code location with a product for each of RUNTIMES."""
    root = tmp_path_factory.mktemp("code")
    for name, runtime in RUNTIMES.items():
        (root / name).mkdir()
        (root / name / "product.yaml").write_text(FACTS.format(name=name, **PUBLIC) + runtime)
    path = root / "code.py"
    path.write_text(CODE.format(folder=str(root), names=list(RUNTIMES)))
    return path


@pytest.fixture(scope="module")
def production(served: tuple[Cluster, Path]) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance as a deployment has it."""
    launcher = {
        "module": "dataproducts.kubernetes.launcher",
        "class": "ProductRunLauncher",
        "config": {
            "service_account_name": "dagster",
            "instance_config_map": "dagster-instance",
            "dagster_home": "/opt/dagster",
            "load_incluster_config": False,
            "kubeconfig_file": str(served[1]),
            "job_namespace": server.NAMESPACE,
            "env_config_maps": ["dataproducts"],
            "image_pull_secrets": [{"name": "registry"}],
            "only_allow_user_defined_k8s_config_fields": {
                "container_config": {"resources": True, "security_context": True},
                "pod_spec_config": {"security_context": True},
            },
        },
    }
    overrides = {
        **INSTANCE,
        "run_launcher": launcher,
        "run_monitoring": {"enabled": True, "start_timeout_seconds": 120, "max_resume_run_attempts": 0},
        "run_retries": {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False},
    }
    with dg.instance_for_test(overrides=overrides, set_dagster_home=False) as instance:
        yield instance


@pytest.fixture(scope="module")
def workspace(production: dg.DagsterInstance, code: Path) -> Iterator[WorkspaceProcessContext]:
    """What the webserver and the daemon know of the code location."""
    origin = LoadableTargetOrigin(executable_path=sys.executable, python_file=str(code))
    target = InProcessTestWorkspaceLoadTarget(InProcessCodeLocationOrigin(origin, container_image=IMAGE))
    with WorkspaceProcessContext(production, target) as found:
        yield found


Launch = Callable[..., dg.DagsterRun]


@pytest.fixture
def launch(production: dg.DagsterInstance, workspace: WorkspaceProcessContext, cluster: Cluster) -> Iterator[Launch]:
    """Ask for assets, or a job, as the UI does; its runs go with the test."""

    def ask(
        *assets: str,
        job: str = "__ASSET_JOB",
        checks: Sequence[tuple[str, str]] = (),
        tags: dict[str, str] | None = None,
        parent: str | None = None,
    ) -> Any:
        request = workspace.create_request_context()
        (location,) = request.code_locations
        (repository,) = location.get_repositories().values()
        selected = frozenset(dg.AssetKey(name.split("/")) for name in assets)
        checked = frozenset(dg.AssetCheckKey(dg.AssetKey(asset.split("/")), name) for asset, name in checks) or None
        given = job == "__ASSET_JOB"
        remote = location.get_job(
            JobSubsetSelector(
                location_name=location.name,
                repository_name=repository.name,
                job_name=job,
                op_selection=None,
                asset_selection=selected if given else None,
                asset_check_selection=checked,
            )
        )
        plan = location.get_execution_plan(remote, {}, None, None, production).execution_plan_snapshot
        run = production.create_run(
            job_name=job, run_id=None, run_config={}, resolved_op_selection=None, step_keys_to_execute=None,
            status=dg.DagsterRunStatus.NOT_STARTED, tags=tags or {}, root_run_id=parent, parent_run_id=parent,
            job_snapshot=remote.job_snapshot, execution_plan_snapshot=plan, parent_job_snapshot=remote.parent_job_snapshot,
            remote_job_origin=remote.get_remote_origin(), job_code_origin=remote.get_python_origin(),
            asset_selection=selected if given else None, asset_check_selection=checked, op_selection=None,
            asset_graph=repository.asset_graph,
        )  # fmt: skip
        asked = production.submit_run(run.run_id, request)
        cluster.settled()
        return production.get_run_by_id(asked.run_id)

    yield ask
    for record in production.get_run_records():
        production.delete_run(record.dagster_run.run_id)


@pytest.fixture
def started(production: dg.DagsterInstance, launch: Launch) -> Launch:
    """Ask for assets whose run begins."""

    def ask(*assets: str, **more: Any) -> Any:
        run = launch(*assets, **more)
        production.report_dagster_event(DagsterEvent(DagsterEventType.PIPELINE_START.value, job_name=run.job_name), run_id=run.run_id)
        return production.get_run_by_id(run.run_id)

    return ask


@pytest.fixture
def look(production: dg.DagsterInstance, workspace: WorkspaceProcessContext, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What the daemon does every two minutes, some time from now; gives what the run says last."""

    def monitor(run: dg.DagsterRun, minutes: int = 0) -> str:
        now = run_monitoring.get_current_timestamp()
        with monkeypatch.context() as later:
            later.setattr(run_monitoring, "get_current_timestamp", lambda: now + minutes * 60)
            errors = list(run_monitoring.execute_run_monitoring_iteration(workspace, logging.getLogger("test")))
        assert not any(errors), errors
        entries = [e.dagster_event for e in production.all_logs(run.run_id) if e.dagster_event]
        return next((e.message for e in reversed(entries) if e.event_type is DagsterEventType.RUN_FAILURE), "")

    return monitor


@pytest.fixture
def again(production: dg.DagsterInstance, workspace: WorkspaceProcessContext, cluster: Cluster) -> Callable[..., dg.DagsterRun | None]:
    """The run that the daemon makes of one that has failed, if it does."""

    def retry(run: dg.DagsterRun) -> dg.DagsterRun | None:
        records = production.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
        list(consume_new_runs_for_automatic_reexecution(workspace, records, logging.getLogger("test")))
        cluster.settled()
        found = production.get_run_records(dg.RunsFilter(tags={"dagster/parent_run_id": run.run_id}))
        return found[0].dagster_run if found else None

    return retry


def executed(run: dg.DagsterRun, instance: dg.DagsterInstance) -> bool:
    """Whether a run ends well that is executed here, as it would be in its pod."""
    return execute_run(recon_job_from_origin(run.job_code_origin), run, instance).success


def pod_of(job: dict[str, Any]) -> dict[str, Any]:
    return dict(job["spec"]["template"]["spec"])


# What a run's Job is made of


def test_a_run_asked_for_in_the_ui_has_what_product_yaml_says(launch, cluster) -> None:
    run = launch("shop/sales")
    (job,) = cluster.made
    assert job["metadata"]["name"] == f"dagster-run-{run.run_id}"
    assert job["spec"]["activeDeadlineSeconds"] == 90 * 60 + 3600
    assert (job["spec"]["ttlSecondsAfterFinished"], job["spec"]["backoffLimit"]) == (3600, 0)
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert (labels["dataproducts/product"], labels["egress.dataproducts/shop"]) == ("shop", "true")
    pod = pod_of(job)
    (container,) = pod["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "500m", "memory": "3Gi", "ephemeral-storage": "20Gi"},
        "limits": {"memory": "4Gi", "ephemeral-storage": "20Gi"},
    }
    assert (pod["serviceAccountName"], pod["nodeSelector"]) == ("shop", {"disk": "fast"})
    assert {"name": "SHOP_MODE", "value": "on"} in container["env"]
    assert {"name": "DATAPRODUCTS_DUCKDB_MEMORY", "value": "2048MiB"} in container["env"]  # which would take half of the node's
    assert {"secretRef": {"name": "shop-database"}} in container["envFrom"]
    assert {"name": "scratch", "emptyDir": {"sizeLimit": "20Gi"}} in pod["volumes"]
    assert (run.tags["dagster/max_retries"], run.tags["dagster/max_runtime"]) == ("3", "5400")


def test_what_the_deployment_says_of_every_run_stays(launch, cluster) -> None:
    launch("plain/sales")
    (job,) = cluster.made
    pod = pod_of(job)
    (container,) = pod["containers"]
    assert container["image"] == IMAGE
    assert {"configMapRef": {"name": "dataproducts"}} in container["envFrom"]
    assert (pod["serviceAccountName"], pod["imagePullSecrets"]) == ("dagster", [{"name": "registry"}])
    assert container["resources"]["limits"]["memory"] == "1024Mi"  # twice what is kept where nothing is said


def test_a_pod_can_do_no_harm_whatever_the_tags_of_its_run_say(launch, cluster) -> None:
    loose = {"container_config": {"security_context": {"privileged": False, "readOnlyRootFilesystem": False}}, "pod_spec_config": {"security_context": {"runAsNonRoot": False}}}  # fmt: skip
    launch("plain/sales", tags={"dagster-k8s/config": json.dumps(loose)})
    pod = pod_of(cluster.made[0])
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["automountServiceAccountToken"] is False
    held = pod["containers"][0]["securityContext"]
    assert held["readOnlyRootFilesystem"]
    assert not held["allowPrivilegeEscalation"]
    assert held["capabilities"] == {"drop": ["ALL"]}


def test_a_run_may_ask_for_more_by_a_tag_where_the_deployment_lets_it(launch, cluster) -> None:
    launch("shop/sales", tags={"dagster-k8s/config": json.dumps({"container_config": {"resources": {"limits": {"memory": "9Gi"}}}})})
    assert pod_of(cluster.made[0])["containers"][0]["resources"]["limits"]["memory"] == "9Gi"
    with pytest.raises(Exception, match="volumes"):
        launch("shop/sales", tags={"dagster-k8s/config": json.dumps({"pod_spec_config": {"volumes": []}})})
    assert len(cluster.made) == 1


def test_a_run_of_two_products_has_the_most_of_each_and_may_go_where_either_may(launch, cluster) -> None:
    launch("shop/sales", "bank/sales")
    (job,) = cluster.made
    labels = job["spec"]["template"]["metadata"]["labels"]
    assert "dataproducts/product" not in labels
    assert (labels["egress.dataproducts/shop"], labels["egress.dataproducts/bank"]) == ("true", "true")
    (container,) = pod_of(job)["containers"]
    assert container["resources"]["requests"] == {"cpu": "2", "memory": "3Gi", "ephemeral-storage": "20Gi"}
    secrets = [one["secretRef"]["name"] for one in container["envFrom"] if "secretRef" in one]
    assert secrets == ["bank-database", "shop-database"]


def test_products_that_are_different_users_of_the_cluster_share_no_run(launch, cluster, production) -> None:
    with pytest.raises(DeclarationError, match="shop and till cannot share a run: service account is 'shop' for one and 'till'"):
        launch("shop/sales", "till/sales")
    assert cluster.made == []
    (record,) = production.get_run_records(limit=1)
    assert record.dagster_run.status is dg.DagsterRunStatus.FAILURE
    assert any("materialize them apart" in (entry.message or "") for entry in production.all_logs(record.dagster_run.run_id))


def test_a_scheduled_job_and_a_check_alone_have_what_their_product_needs(launch, cluster) -> None:
    launch(job="shop_sales_job")
    launch(checks=[("shop/sales", "by_hand")])
    assert [pod_of(job)["containers"][0]["resources"]["limits"]["memory"] for job in cluster.made] == ["4Gi", "4Gi"]


def test_how_often_a_run_is_tried_is_as_somebody_asked_and_else_as_its_product_says(launch) -> None:
    once = launch("shop/sales", tags={"dagster/max_retries": "0"})
    assert once.tags["dagster/max_retries"] == "0"
    by_hand = launch("shop/sales", tags=once.tags, parent=once.run_id)  # of one that was cancelled, say
    assert by_hand.tags["dagster/max_retries"] == "3"
    by_daemon = launch("shop/sales", tags={**once.tags, "dagster/retry_number": "1"}, parent=once.run_id)
    assert by_daemon.tags["dagster/max_retries"] == "0"


def test_a_run_is_not_launched_without_knowing_what_it_needs(launch, production, cluster) -> None:
    class Broken:
        def get_code_location(self, name: str) -> None:
            raise RuntimeError("no module named shop")

    run = launch("shop/sales")
    with pytest.raises(ConfigurationError, match="does not load .no module named shop.; run again when it does"):
        production.run_launcher.launch_run(LaunchRunContext(run, Broken()))
    assert len(cluster.made) == 1


# What becomes of it


def test_a_run_whose_pod_finds_no_node_fails_with_that_reason_and_its_job_goes(launch, cluster, production, look) -> None:
    cluster.fate = server.unschedulable
    run = launch("shop/sales")
    assert look(run, minutes=1) == ""  # it may still find one
    said = look(run, minutes=3)
    assert said.startswith("Run timed out due to taking longer than 120 seconds to start.")
    assert (
        "Its pod finds no node (0/3 nodes are available: 3 Insufficient memory); it asks for cpu 500m, memory 3Gi by `runtime: resources` in "
        "product.yaml of shop." in said
    )
    assert (cluster.jobs, cluster.pods) == ({}, {})


def test_a_run_whose_image_does_not_exist_says_which(launch, cluster, look) -> None:
    cluster.fate = server.without_image
    said = look(launch("shop/sales"), minutes=3)
    assert f'Its pod cannot have the image {IMAGE} (ImagePullBackOff: Back-off pulling image "{IMAGE}": not found).' in said


def test_an_evicted_run_fails_with_that_reason_and_is_run_again(started, cluster, look, again) -> None:
    cluster.fate = server.evicted
    run = started("shop/sales")
    assert "its pod was evicted (The node was low on resource: ephemeral-storage)" in look(run)
    cluster.fate = server.running
    retried = again(run)
    assert retried is not None
    assert f"dagster-run-{retried.run_id}" in cluster.jobs
    assert pod_of(cluster.made[-1])["containers"][0]["resources"]["limits"]["memory"] == "4Gi"
    assert again(run).run_id == retried.run_id  # once for each


def test_a_run_that_outgrew_its_memory_says_what_to_raise_and_is_run_once_more(started, production, cluster, look, again) -> None:
    cluster.fate = server.out_of_memory
    run = started("shop/sales")
    assert "its pod outgrew its memory limit of 4Gi; raise `runtime: resources: memory_limit` in product.yaml of shop" in look(run)
    retried = again(run)
    assert retried is not None
    production.report_dagster_event(DagsterEvent(DagsterEventType.PIPELINE_START.value, job_name=run.job_name), run_id=retried.run_id)
    assert "outgrew its memory limit" in look(retried)
    assert again(retried) is None  # though the product lets a lost run be tried three times
    assert len(cluster.made) == 2


def test_a_run_whose_pod_or_job_is_deleted_says_so(started, cluster, look) -> None:
    run = started("shop/sales")
    (pod,) = cluster.pods.values()
    cluster.delete(pod)
    assert "its pod is gone: somebody, or the cluster, has deleted it" in look(run)
    other = started("shop/sales")
    del cluster.jobs[f"dagster-run-{other.run_id}"]
    assert f"the Job dagster-run-{other.run_id} is gone: somebody has deleted it" in look(other)


def test_a_pod_that_ended_without_a_word_fails_its_run(started, cluster, look) -> None:
    cluster.fate = server.ended
    assert "its pod has ended, and the run has not" in look(started("shop/sales"))


def test_a_run_goes_on_while_the_cluster_does_not_answer(started, production, cluster, look) -> None:
    run = started("shop/sales")
    for code in (403, 500):
        cluster.refuse(r"GET .*/jobs/.*/status", code)
        assert look(run) == ""
    assert production.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.STARTED
    cluster.fate = server.evicted
    assert look(run) == ""


def test_the_deployment_lets_the_daemon_and_the_webserver_do_what_the_launcher_does(started, production, cluster, look, again, may) -> None:
    cluster.fate = server.evicted
    run = started("shop/sales")
    look(run)
    retried = again(run)
    assert retried is not None
    cluster.fate = server.unschedulable
    look(retried, minutes=3)
    assert {"create jobs", "delete jobs", "list events"} <= cluster.asked <= may("launch-runs")
    run = started("shop/sales")
    cluster.asked.clear()
    production.run_launcher.terminate(run.run_id)
    assert {"delete jobs", "delete pods"} <= cluster.asked <= may("end-runs")


def test_a_run_that_goes_well_is_left_alone(started, production, look) -> None:
    run = started("shop/sales")
    assert look(run, minutes=60) == ""
    assert production.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.STARTED


def test_a_run_that_takes_too_long_is_ended_and_not_run_again(started, production, cluster, look, again) -> None:
    run = started("shop/sales")
    assert look(run, minutes=91) == "Exceeded maximum runtime of 5400 seconds."
    assert (cluster.jobs, cluster.pods) == ({}, {})
    assert again(run) is None


def test_a_run_that_is_cancelled_takes_the_pods_of_its_scripts_along(started, production, cluster) -> None:
    run = started("shop/sales")
    script = {
        "metadata": {"name": "script", "labels": {"dagster/run-id": run.run_id, "dataproducts/script": "true"}},
        "spec": {"containers": [{"name": "script", "image": IMAGE}]},
    }
    cluster.answer("POST", f"/api/v1/namespaces/{server.NAMESPACE}/pods", {}, script)
    assert production.run_launcher.terminate(run.run_id)
    assert (cluster.jobs, cluster.pods) == ({}, {})


def test_a_broken_contract_is_never_run_again(launch, production, again) -> None:
    run = launch("shop/wrong")
    assert not executed(run, production)
    failed = production.get_run_by_id(run.run_id)
    assert (failed.tags["dagster/failure_reason"], failed.tags["dagster/max_retries"]) == ("STEP_FAILURE", "3")
    assert again(failed) is None


# Steps as pods of their own


def test_a_heavy_products_steps_are_pods_with_what_it_needs_and_its_run_only_waits(launch, production, cluster, monkeypatch) -> None:
    run = launch("heavy/sales")
    (waiting,) = cluster.made
    assert pod_of(waiting)["containers"][0]["resources"]["limits"]["memory"] == "1024Mi"
    assert pod_of(waiting)["automountServiceAccountToken"]  # it makes the pods of its steps

    def fails(cluster: Cluster, pod: server.Pod) -> None:
        server.out_of_memory(cluster, pod)
        event = DagsterEvent(
            DagsterEventType.STEP_FAILURE.value,
            job_name=run.job_name,
            step_key="heavy__sales",
            event_specific_data=StepFailureData(error=None, user_failure_data=None),
        )
        production.report_dagster_event(event, run_id=run.run_id)

    cluster.fate = fails
    assert {"name": settings.STEPS, "value": "pod"} in pod_of(waiting)["containers"][0]["env"]
    monkeypatch.setenv(settings.STEPS, "pod")
    assert not executed(run, production)
    _, step = cluster.made
    assert step["metadata"]["labels"]["dagster/op"] == "heavy__sales"
    pod = pod_of(step)
    assert pod["containers"][0]["resources"]["limits"]["memory"] == "64Gi"
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"]
    assert (pod["securityContext"]["runAsNonRoot"], pod["automountServiceAccountToken"]) == (True, False)
    assert step["spec"]["template"]["metadata"]["labels"]["egress.dataproducts/heavy"] == "true"


def test_steps_do_not_outlive_the_run_that_waits_for_them(started, cluster, look) -> None:
    run = started("heavy/sales")
    (waiting,) = cluster.pods.values()
    labels = {"dagster/run-id": run.run_id, "app.kubernetes.io/component": "step_worker"}
    template = {"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [{"name": "dagster", "image": IMAGE}]}}
    step = {"metadata": {"name": "step", "labels": labels}, "spec": {"template": template}}
    cluster.answer("POST", f"/apis/batch/v1/namespaces/{server.NAMESPACE}/jobs", {}, step)
    cluster.delete(waiting)
    assert "its pod is gone" in look(run)
    assert (list(cluster.jobs), cluster.pods) == ([f"dagster-run-{run.run_id}"], {})


def test_a_run_is_executed_in_its_own_process_without_a_right_to_make_pods(launch, production, cluster, monkeypatch) -> None:
    run = launch("shop/sales")
    monkeypatch.setattr(type(production.run_launcher), "__init__", _without_token)
    with dg.DagsterInstance.from_ref(production.get_ref()) as of_pod:
        assert executed(run, of_pod)
    assert len(cluster.made) == 1
    assert any("Executing steps in process" in (entry.message or "") for entry in production.all_logs(run.run_id))


def _without_token(*_: Any, **__: Any) -> None:
    raise FileNotFoundError("/var/run/secrets/kubernetes.io/serviceaccount/token")
