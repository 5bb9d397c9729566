"""Why a pod does not run, or did not end well: one clause, as Kubernetes has it and with what to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from dataproducts.kubernetes.pod import DISRUPTED

Kind = Literal["unschedulable", "image", "container", "memory", "deadline", "lost", "status"]

_NO_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_NO_CONTAINER = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "StartError")


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a pod: `text` continues a sentence that begins with whose pod it is."""

    kind: Kind
    text: str
    container: str = ""

    @property
    def may_pass(self) -> bool:
        """Whether a pod in it may still come to run."""
        return self.kind in ("unschedulable", "image", "container")


def trouble(pod: Any, where: str = "product.yaml") -> Trouble | None:
    """What is wrong with a V1Pod; None where nothing is. `where` says whose product.yaml it is that asks for what it has."""
    status = pod.status
    if status.reason == "Evicted":
        return Trouble("lost", f"was evicted ({_brief(status.message)})")
    if status.reason == "DeadlineExceeded":
        return Trouble("deadline", f"did not end in time; see `runtime: deadline_minutes` in {where}")
    for container, state in _ended(pod):
        if state.reason == "OOMKilled":
            limit = container.resources.limits.get("memory") if container.resources and container.resources.limits else None
            return Trouble(
                "memory",
                f"outgrew its memory limit{f' of {limit}' if limit else ''}; raise `runtime: resources: memory_limit` in {where}",
                container.name,
            )
    for condition in status.conditions or ():
        if condition.type == DISRUPTED and condition.status == "True":
            return Trouble("lost", f"was taken away by the cluster ({condition.reason}: {_brief(condition.message)})")
        if condition.type == "PodScheduled" and condition.status == "False":
            asked = pod.spec.containers[0].resources.requests or {}
            wanted = ", ".join(f"{name} {asked[name]}" for name in ("cpu", "memory") if name in asked)
            return Trouble(
                "unschedulable", f"finds no node ({_brief(condition.message)}); it asks for {wanted} by `runtime: resources` in {where}"
            )
    for container, reason, message in _waiting(pod):
        if reason in _NO_IMAGE:
            return Trouble("image", f"cannot have the image {container.image} ({reason}: {_brief(message)})", container.name)
        if reason in _NO_CONTAINER:
            return Trouble("container", f"cannot start its container {container.name} ({reason}: {_brief(message)})", container.name)
    for container, state in _ended(pod):
        if state.exit_code:
            return Trouble("status", f"ended its container {container.name} with status {state.exit_code}", container.name)
    if status.phase == "Failed":
        return Trouble("lost", f"was ended by the cluster ({status.reason or 'no reason given'}: {_brief(status.message)})")
    return None


def _statuses(pod: Any) -> Iterator[tuple[Any, Any]]:
    """Containers with their statuses, in the order they run."""
    specs = {one.name: one for one in (*(pod.spec.init_containers or ()), *pod.spec.containers)}
    for status in (*(pod.status.init_container_statuses or ()), *(pod.status.container_statuses or ())):
        if status.name in specs and status.state is not None:
            yield specs[status.name], status.state


def _ended(pod: Any) -> Iterator[tuple[Any, Any]]:
    return ((container, state.terminated) for container, state in _statuses(pod) if state.terminated is not None)


def _waiting(pod: Any) -> Iterator[tuple[Any, str, str | None]]:
    return ((container, s.waiting.reason or "", s.waiting.message) for container, s in _statuses(pod) if s.waiting is not None)


def _brief(message: str | None) -> str:
    return " ".join((message or "no reason given").split())[:300].rstrip(".")
