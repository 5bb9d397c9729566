"""What every pod of a product has, whoever makes it: a CronJob, the run launcher, a step or a script."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dataproducts.product_facts import kibibytes

if TYPE_CHECKING:
    from dataproducts.product_facts import Runtime

PRODUCT, EGRESS = "dataproducts/product", "egress.dataproducts/"
"""The label that names the product of a pod, and the beginning of those by which the network policies of products choose pods: a pod
that works for two products may go where either may."""
USER = 10001
POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": USER,
    "runAsGroup": USER,
    "fsGroup": USER,
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
SCRATCH, SCRATCH_FOLDER = "scratch", "/scratch"
"""The one volume that a pod may write to, and where it is."""

RUN_ID, SCRIPT = "dagster/run-id", "dataproducts/script"
"""Labels of a pod that a run has made for a script: the run, and that it is one."""
DISRUPTED = "DisruptionTarget"
"""The condition of a pod that the cluster has taken away."""


def labels(products: Iterable[str]) -> dict[str, str]:
    """The labels of a pod that works for these products."""
    names = sorted(products)
    return {**({PRODUCT: names[0]} if len(names) == 1 else {}), **{f"{EGRESS}{name}": "true" for name in names}}


def resources(runtime: Runtime) -> dict[str, Any]:
    """What is kept for a container, and where it ends."""
    asked = runtime.resources
    return {
        "requests": {"cpu": asked.cpu, "memory": asked.memory, "ephemeral-storage": asked.scratch},
        "limits": {"memory": asked.most_memory, "ephemeral-storage": asked.scratch},
    }


def variables(runtime: Runtime) -> dict[str, str]:
    """What programs go by that would otherwise see the whole node: where to put what is too large for memory, and how much that is."""
    half = kibibytes(runtime.resources.most_memory) // 2048
    return {"TMPDIR": SCRATCH_FOLDER, "DATAPRODUCTS_DUCKDB_MEMORY": f"{half}MiB"}


def nodes(runtime: Runtime) -> dict[str, Any]:
    """Which nodes take it, as a part of a pod's spec."""
    return {"nodeSelector": {one.name: one.value for one in runtime.node_labels}} if runtime.node_labels else {}


def secrets(names: Iterable[str]) -> list[dict[str, Any]]:
    """Secrets whose entries become environment variables."""
    return [{"secretRef": {"name": name}} for name in names]


def scratch(runtime: Runtime) -> tuple[dict[str, Any], dict[str, Any]]:
    """The volume that a pod may write to, and its mount."""
    volume = {"name": SCRATCH, "emptyDir": {"sizeLimit": runtime.resources.scratch}}
    return volume, {"name": SCRATCH, "mountPath": SCRATCH_FOLDER}
