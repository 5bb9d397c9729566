"""Kubernetes' own manifests of a product, for a cluster without nais: its CronJobs, and what they may reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dataproducts.kubernetes import pod
from dataproducts.manifests.jobs import INSTANCE, INSTANCE_FOLDER, SETTINGS, Job, Needs, workload

if TYPE_CHECKING:
    from dataproducts.product_facts import ProductFacts

LABEL = "app.kubernetes.io/name"
"""The label by which the pods of a job are told."""
SAID = 1
"""The exit status of a run that says what is wrong."""
_KEPT_SECONDS = 3 * 24 * 3600
_HTTPS, _DNS, _POSTGRESQL, _KAFKA, _METADATA = 443, 53, 5432, 9092, 80


def cron_jobs(facts: ProductFacts, jobs: Sequence[Job], needs: Needs, *, image: str, namespace: str) -> list[Any]:
    """A CronJob for each job, and one NetworkPolicy: nothing in, and out only where the product goes.

    A run that ends with a sentence is not tried again before its next tick; one that the cluster has ended is, as often as
    product.yaml says.
    """
    labels = {"app.kubernetes.io/part-of": "dataproducts", **pod.labels([facts.name])}
    found: list[dict[str, Any]] = [
        {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": job.name, "namespace": namespace, "labels": {LABEL: job.name, **labels}},
            "spec": {
                "schedule": job.cron,
                "timeZone": job.time_zone,
                "concurrencyPolicy": "Forbid",
                "startingDeadlineSeconds": 3600,
                "successfulJobsHistoryLimit": 3,
                "failedJobsHistoryLimit": 3,
                "jobTemplate": {"metadata": {"labels": labels}, "spec": _job(facts, job, image, {LABEL: job.name, **labels})},
            },
        }
        for job in jobs
    ]
    return [*found, _network_policy(facts, needs, namespace, labels)]


def _job(facts: ProductFacts, job: Job, image: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "backoffLimit": facts.runtime.retries,
        "activeDeadlineSeconds": workload(facts, {}).deadline_seconds,
        "ttlSecondsAfterFinished": _KEPT_SECONDS,
        "podFailurePolicy": {
            "rules": [
                {"action": "Ignore", "onPodConditions": [{"type": pod.DISRUPTED, "status": "True"}]},
                {"action": "FailJob", "onExitCodes": {"containerName": "run", "operator": "In", "values": [SAID]}},
            ]
        },
        "template": {"metadata": {"labels": labels}, "spec": _pod(facts, job, image)},
    }


def _pod(facts: ProductFacts, job: Job, image: str) -> dict[str, Any]:
    runtime, work = facts.runtime, workload(facts, {})
    named = {"serviceAccountName": runtime.service_account} if runtime.service_account else {"automountServiceAccountToken": False}
    volume, mount = pod.scratch(runtime)
    return {
        "restartPolicy": "Never",
        **named,
        **pod.nodes(runtime),
        "securityContext": pod.POD_SECURITY,
        "containers": [
            {
                "name": "run",
                "image": image,
                "command": list(job.command),
                "env": [{"name": name, "value": value} for name, value in work.variables.items()],
                "envFrom": [{"configMapRef": {"name": SETTINGS}}, *pod.secrets(work.secrets)],
                "resources": pod.resources(runtime),
                "securityContext": pod.CONTAINER_SECURITY,
                "volumeMounts": [mount, {"name": "instance", "mountPath": INSTANCE_FOLDER, "readOnly": True}],
            }
        ],
        "volumes": [volume, {"name": "instance", "configMap": {"name": INSTANCE}}],
    }


def _network_policy(facts: ProductFacts, needs: Needs, namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    """Kubernetes' own policies know no host names: ports are held, and the hosts stand in an annotation for a policy that does."""
    outside = {int(port) if port else _HTTPS for port in (host.partition(":")[2] for host in facts.runtime.egress)}
    outside |= {_HTTPS, _POSTGRESQL, *({_KAFKA} if needs.kafka else ())}  # the lake and BigQuery are behind 443
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": facts.name.replace("_", "-"),
            "namespace": namespace,
            "labels": labels,
            **({"annotations": {"dataproducts/egress": ",".join(facts.runtime.egress)}} if facts.runtime.egress else {}),
        },
        "spec": {
            "podSelector": {"matchLabels": {f"{pod.EGRESS}{facts.name}": "true"}},
            "policyTypes": ["Ingress", "Egress"],
            "egress": [
                {"ports": [{"protocol": "UDP", "port": _DNS}, {"protocol": "TCP", "port": _DNS}]},
                {"ports": [{"protocol": "TCP", "port": _METADATA}], "to": [{"ipBlock": {"cidr": "169.254.169.254/32"}}]},
                {"ports": [{"protocol": "TCP", "port": port} for port in sorted(outside)]},
            ],
        },
    }
