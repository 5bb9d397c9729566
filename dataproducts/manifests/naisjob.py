"""nais's manifests of a product: a Naisjob for each of its schedules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dataproducts.errors import ConfigurationError, DeclarationError
from dataproducts.kubernetes.pod import SCRATCH_FOLDER
from dataproducts.manifests.jobs import INSTANCE, INSTANCE_FOLDER, SETTINGS, Job, Needs, workload

if TYPE_CHECKING:
    from dataproducts.product_facts import ProductFacts

LABEL = "app"
"""The label by which nais tells the pods of a job."""
PROJECT = "$(GCP_TEAM_PROJECT_ID)"
"""What nais puts into a pod's environment; later variables may refer to it."""


def naisjobs(facts: ProductFacts, jobs: Sequence[Job], needs: Needs, *, image: str, namespace: str, pool: str | None) -> list[Any]:
    """A Naisjob for each job. Raises ConfigurationError where a topic is used and no pool is given."""
    if needs.kafka and not pool:
        raise ConfigurationError(f"{facts.name} reads or writes topics, so its jobs need a Kafka pool; give one, such as --pool nav-dev")
    spec = _spec(facts, needs, image, pool if needs.kafka else None)
    return [
        {
            "apiVersion": "nais.io/v1",
            "kind": "Naisjob",
            "metadata": {"name": job.name, "namespace": namespace, "labels": {"team": namespace, "dataproduct": facts.name}},
            "spec": {**spec, "command": list(job.command), "schedule": job.cron, "timeZone": job.time_zone},
        }
        for job in jobs
    ]


def _spec(facts: ProductFacts, needs: Needs, image: str, pool: str | None) -> dict[str, Any]:
    runtime = facts.runtime
    work = workload(facts, {"BIGQUERY_PROJECT": PROJECT} if needs.datasets else {})
    spec: dict[str, Any] = {
        "image": image,
        "command": [],
        "schedule": "",
        "timeZone": "",
        "concurrencyPolicy": "Forbid",
        "restartPolicy": "Never",
        "backoffLimit": runtime.retries,
        "activeDeadlineSeconds": work.deadline_seconds,
        "resources": {
            "requests": {"cpu": runtime.resources.cpu, "memory": runtime.resources.memory},
            "limits": {"memory": runtime.resources.most_memory},
        },
        "env": [{"name": name, "value": value} for name, value in work.variables.items()],
        "envFrom": [{"configmap": SETTINGS}, *({"secret": name} for name in work.secrets)],
        "filesFrom": [
            {"configmap": INSTANCE, "mountPath": INSTANCE_FOLDER},
            {"emptyDir": {"medium": "Disk"}, "mountPath": SCRATCH_FOLDER},
        ],
    }
    if runtime.egress:
        spec["accessPolicy"] = {"outbound": {"external": [_external(host) for host in runtime.egress]}}
    if needs.datasets:
        spec["gcp"] = {"bigQueryDatasets": [_bigquery(facts, name) for name in needs.datasets]}
    if pool is not None:
        spec["kafka"] = {"pool": pool}
    return spec


def _external(host: str) -> dict[str, Any]:
    name, _, port = host.partition(":")
    return {"host": name, **({"ports": [{"port": int(port)}]} if port else {})}


def _bigquery(facts: ProductFacts, name: str) -> dict[str, str]:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_]+", name):
        raise DeclarationError(f"{facts.name}: nais makes no BigQuery dataset named {name!r}; use lower-case letters, digits and '_'")
    return {"name": name, "permission": "READWRITE", "description": facts.title.best("en")}
