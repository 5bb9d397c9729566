"""Dagster's run launcher for Kubernetes, with what `product.yaml` says of each product: `class: ProductRunLauncher` in dagster.yaml.

It runs in the webserver and the daemon, which do not load the products: what a run needs is what the code location shows of its assets.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import dagster as dg
from dagster._core.launcher import LaunchRunContext
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._core.storage.tags import MAX_RETRIES_TAG, MAX_RUNTIME_SECONDS_TAG, RETRY_NUMBER_TAG
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig, get_job_name_from_run_id, get_user_defined_k8s_config
from kubernetes.client.rest import ApiException  # type: ignore[import-untyped]
from urllib3.exceptions import HTTPError

from dataproducts.errors import ConfigurationError
from dataproducts.kubernetes import pod
from dataproducts.kubernetes.needs import Needs, of_entities, run_config, security_config
from dataproducts.kubernetes.trouble import Trouble, trouble

NEEDS = "dataproducts/needs"
"""The tag of a run with what it needs."""
_STEP = "app.kubernetes.io/component=step_worker"
_TTL_SECONDS = 3600
_SECOND_CHANCE = "1"

_log = logging.getLogger(__name__)


class ProductRunLauncher(K8sRunLauncher):
    """Launches each run as a Job with the resources, identity, secrets, labels and deadline of its products.

    It takes the settings of K8sRunLauncher. Over them come what the products say, then the tag `dagster-k8s/config` of the run, as far as
    the deployment allows it; what keeps a pod harmless comes last.
    """

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch a run. Raises DeclarationError where its products cannot share one, ConfigurationError where they are not to be seen."""
        super().launch_run(context._replace(dagster_run=self._tagged(context.dagster_run, context.workspace)))

    @property
    def supports_resume_run(self) -> bool:
        """A run that was lost is run again, and begins where it stopped; to be resumed its pod would need a token for the cluster."""
        return False

    @property
    def supports_run_worker_crash_recovery(self) -> bool:
        """As above."""
        return False

    def get_container_context_for_run(self, dagster_run: dg.DagsterRun) -> K8sContainerContext:
        """What a run's Job is made of."""
        needs = Needs.from_tag(dagster_run.tags.get(NEEDS))
        told = K8sContainerContext(run_k8s_config=get_user_defined_k8s_config(dagster_run.tags)).validate_user_k8s_config_for_run(
            self.only_allow_user_defined_k8s_config_fields, self.only_allow_user_defined_env_vars
        )
        context = _context({"job_spec_config": {"ttlSecondsAfterFinished": _TTL_SECONDS}})
        for over in (
            K8sContainerContext.create_for_run(dagster_run, self, include_run_tags=False),
            _context(run_config(needs)),
            told,
            _context(security_config()),
        ):
            context = context.merge(over)
        return context

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the pod of a run still works; if not, why, and what it has left behind is taken away.

        An API server that does not answer is no reason to give up a run that may be well.
        """
        name, namespace = self._job(run)
        try:
            job = self._api_client.batch_api.read_namespaced_job_status(name, namespace)
            is_over = not job.status.active and bool(job.status.failed or job.status.succeeded)
            pods = self._api_client.get_pods_in_job(name, namespace) if is_over else []
        except ApiException as error:
            if error.status != 404:
                _log.warning("run %s: the cluster does not say how its Job is (%s %s)", run.run_id, error.status, error.reason)
                return CheckRunHealthResult(WorkerStatus.RUNNING)
            self._clear(run, namespace)
            return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"the Job {name} is gone: somebody has deleted it")
        except HTTPError as error:
            _log.warning("run %s: the cluster does not answer (%s)", run.run_id, error)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if not is_over:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if job.status.succeeded and run.is_finished:
            return CheckRunHealthResult(WorkerStatus.SUCCESS)
        self._clear(run, namespace)
        found = self._trouble(run, job, pods)
        if found.kind in ("memory", "deadline"):
            self._limit_retries(run, _SECOND_CHANCE if found.kind == "memory" else "0")
        return CheckRunHealthResult(WorkerStatus.FAILED, f"its pod {found.text}")

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> str | None:
        """What Dagster shows of a run that it gives up; one that has not started by now does not start later."""
        said = super().get_run_worker_debug_info(run, include_container_logs)
        if run.status not in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED):
            return said
        name, namespace = self._job(run)
        where = Needs.from_tag(run.tags.get(NEEDS)).where
        found = [one for there in self._api_client.get_pods_in_job(name, namespace) if (one := trouble(there, where)) is not None]
        self._api_client.delete_job(job_name=name, namespace=namespace)
        return "\n".join([*(f"Its pod {one.text}." for one in found), said or ""])

    def terminate(self, run_id: str) -> bool:
        """End a run, and the pods of its scripts. What is ended on purpose, or for taking too long, is not run again."""
        run = self._instance.get_run_by_id(run_id)
        if run is not None and not run.is_finished:
            self._limit_retries(run, "0")
        is_ended = bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        if run is not None:
            self._clear(run, self._job(run)[1])
        return is_ended

    def _tagged(self, run: dg.DagsterRun, workspace: Any) -> dg.DagsterRun:
        """The run with what it needs, and how often it may be tried and how long it may take where nobody has said so."""
        needs = self._needs(run, workspace)
        runtime = needs.runtime
        limits = {MAX_RETRIES_TAG: str(runtime.retries), MAX_RUNTIME_SECONDS_TAG: str(runtime.deadline_minutes * 60)}
        begun_anew = run.parent_run_id is not None and RETRY_NUMBER_TAG not in run.tags  # by hand, with the tags of the one before
        limits = {tag: value for tag, value in limits.items() if begun_anew or tag not in run.tags}
        self._instance.add_run_tags(run.run_id, {NEEDS: needs.tag(), **limits})
        tagged = self._instance.get_run_by_id(run.run_id)
        assert tagged is not None
        return tagged

    def _needs(self, run: dg.DagsterRun, workspace: Any) -> Needs:
        if run.execution_plan_snapshot_id is None or run.remote_job_origin is None:
            return Needs.from_tag(None)
        plan = self._instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
        chosen = set(run.step_keys_to_execute or plan.step_keys_to_execute)
        origin = run.remote_job_origin.repository_origin
        location = origin.code_location_origin.location_name
        try:
            graph = workspace.get_code_location(location).get_repository(origin.repository_name).asset_graph
        except Exception as error:
            raise ConfigurationError(
                f"what the run needs is not to be seen, since the code location {location} does not load ({error}); run again when it does"
            ) from error

        def metadata(key: dg.AssetKey) -> Mapping[str, Any] | None:
            return graph.get(key).metadata if graph.has(key) else None

        return of_entities((entity for step in plan.steps if step.key in chosen for entity in step.entity_keys), metadata)

    def _trouble(self, run: dg.DagsterRun, job: Any, pods: list[Any]) -> Trouble:
        where = Needs.from_tag(run.tags.get(NEEDS)).where
        for condition in job.status.conditions or ():
            if condition.type == "Failed" and condition.reason == "DeadlineExceeded":
                return Trouble("deadline", f"did not end in time; see `runtime: deadline_minutes` in {where}")
        found = next((one for there in pods if (one := trouble(there, where)) is not None), None)
        if found is not None:
            return found
        return Trouble("lost", "has ended, and the run has not" if pods else "is gone: somebody, or the cluster, has deleted it")

    def _job(self, run: dg.DagsterRun) -> tuple[str, str]:
        name = get_job_name_from_run_id(run.run_id)  # type: ignore[no-untyped-call]
        return name, self.get_container_context_for_run(run).namespace or self.job_namespace

    def _limit_retries(self, run: dg.DagsterRun, most: str) -> None:
        now = run.tags.get(MAX_RETRIES_TAG, "")
        if not now.isdigit() or int(now) > int(most):
            self._instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: most})

    def _clear(self, run: dg.DagsterRun, namespace: str) -> None:
        """Take away the pods of scripts and the Jobs of steps whose run is no longer there to do it."""
        client, of_run = self._api_client, f"{pod.RUN_ID}={run.run_id}"
        with suppress(ApiException):
            for one in client.core_api.list_namespaced_pod(namespace, label_selector=f"{of_run},{pod.SCRIPT}=true").items:
                with suppress(ApiException):
                    client.core_api.delete_namespaced_pod(one.metadata.name, namespace)
            for job in client.batch_api.list_namespaced_job(namespace, label_selector=f"{of_run},{_STEP}").items:
                with suppress(ApiException):
                    client.delete_job(job_name=job.metadata.name, namespace=namespace)


def _context(config: Mapping[str, Any]) -> K8sContainerContext:
    return K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig(**config))
