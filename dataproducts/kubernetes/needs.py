"""What a run needs of the cluster: that of the products whose assets it makes or checks, together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg

from dataproducts import settings
from dataproducts.errors import DeclarationError
from dataproducts.kubernetes import pod
from dataproducts.product_facts import PODS, RUNTIME, NodeLabel, Resources, Runtime, Setting, kibibytes

_GRACE_SECONDS = 3600
"""So much later than Dagster, which says why, the cluster ends a run."""


@dataclass(frozen=True)
class Needs:
    """The products of a run by name, what they need together, and whether scripts are run, as pods of their own."""

    products: tuple[str, ...]
    runtime: Runtime
    scripts: bool = False

    @classmethod
    def of(cls, published: Mapping[dg.AssetKey, Mapping[str, Any]]) -> Needs:
        """Of assets by what their definitions say; those that are of no product need nothing. Raises DeclarationError for what clashes."""
        runtimes = {key.path[0]: _value(metadata[RUNTIME]) for key, metadata in published.items() if RUNTIME in metadata}
        found = {name: Runtime.model_validate(value) for name, value in sorted(runtimes.items())}
        return cls(tuple(found), together(found), any(PODS in metadata for metadata in published.values()))

    def tag(self) -> str:
        """As a tag of the run, which is all that whoever looks after it later has."""
        return json.dumps({"products": self.products, "runtime": self.runtime.published(), "scripts": self.scripts})

    @classmethod
    def from_tag(cls, text: str | None) -> Needs:
        """What stands in the tag; of a run without, what is so by default."""
        told = json.loads(text) if text else {}
        return cls(tuple(told.get("products", ())), Runtime.model_validate(told.get("runtime", {})), told.get("scripts", False))

    @property
    def where(self) -> str:
        """Whose product.yaml it is that says so."""
        return f"product.yaml of {', '.join(self.products)}" if self.products else "product.yaml"


def together(products: Mapping[str, Runtime]) -> Runtime:
    """What these products need in one pod: the most of each resource, and all secrets and variables.

    Raises DeclarationError where they cannot share one: who they are, where they run, or a variable differs.
    """
    if not products:
        return Runtime()
    every = list(products.values())

    def one(of: Callable[[Runtime], Iterable[tuple[str, str]]]) -> dict[str, str]:
        found: dict[str, tuple[str, str]] = {}
        for product, runtime in products.items():
            for name, value in of(runtime):
                other, before = found.setdefault(name, (product, value))
                if before != value:
                    raise DeclarationError(
                        f"{other} and {product} cannot share a run: {name} is {before!r} for one and {value!r} for the other; "
                        "materialize them apart"
                    )
        return {name: value for name, (_, value) in found.items()}

    accounts = one(lambda r: [("service account", r.service_account)] if r.service_account else [])
    environment = one(lambda r: [(e.name, e.value) for e in r.environment])
    labels = one(lambda r: [(f"node label {label.name}", label.value) for label in r.node_labels])
    return Runtime(
        resources=Resources(
            cpu=max((r.resources.cpu for r in every), key=_thousandths),
            memory=max((r.resources.memory for r in every), key=kibibytes),
            memory_limit=max((r.resources.most_memory for r in every), key=kibibytes),
            scratch=max((r.resources.scratch for r in every), key=kibibytes),
        ),
        secrets=tuple(dict.fromkeys(name for r in every for name in r.secrets)),
        environment=tuple(Setting(name=name, value=value) for name, value in environment.items()),
        retries=max(r.retries for r in every),
        deadline_minutes=max(r.deadline_minutes for r in every),
        service_account=accounts.get("service account"),
        node_labels=tuple(NodeLabel(name=name.removeprefix("node label "), value=value) for name, value in labels.items()),
        isolate="steps" if any(r.isolate == "steps" for r in every) else "run",
    )


def run_config(needs: Needs) -> dict[str, Any]:
    """The pod of a run, in the words of dagster-k8s, besides its security; one whose steps have pods of their own only waits for them."""
    if needs.runtime.isolate == "run":
        return _config(needs, makes_pods=needs.scripts)
    waiting = replace(needs, runtime=needs.runtime.model_copy(update={"resources": Resources()}))
    return _config(waiting, makes_pods=True, **{settings.STEPS: "pod"})


def step_config(needs: Needs) -> dict[str, Any]:
    """The pod of a step, in the words of dagster-k8s."""
    config = _config(needs, makes_pods=needs.scripts)
    return {**config, **{part: {**config[part], **held} for part, held in security_config().items()}}


def _config(needs: Needs, *, makes_pods: bool, **further: str) -> dict[str, Any]:
    runtime = needs.runtime
    volume, mount = pod.scratch(runtime)
    labels = pod.labels(needs.products)
    variables = {**pod.variables(runtime), **{one.name: one.value for one in runtime.environment}, **further}
    if needs.scripts:
        variables[settings.SCRIPTS] = "pod"
    return {
        "container_config": {
            "resources": pod.resources(runtime),
            "env": [{"name": name, "value": value} for name, value in variables.items()],
            "envFrom": pod.secrets(runtime.secrets),
            "volumeMounts": [mount],
        },
        "pod_spec_config": {
            **pod.nodes(runtime),
            **({"serviceAccountName": runtime.service_account} if runtime.service_account else {}),
            "automountServiceAccountToken": makes_pods,
            "volumes": [volume],
        },
        "pod_template_spec_metadata": {"labels": labels},
        "job_metadata": {"labels": labels},
        "job_spec_config": {"activeDeadlineSeconds": runtime.deadline_minutes * 60 + _GRACE_SECONDS},
    }


def security_config() -> dict[str, Any]:
    """What no deployment and no tag of a run may loosen."""
    return {
        "container_config": {"securityContext": pod.CONTAINER_SECURITY},
        "pod_spec_config": {"securityContext": pod.POD_SECURITY},
    }


def of_entities(entities: Iterable[dg.AssetKey | dg.AssetCheckKey], metadata: Callable[[dg.AssetKey], Mapping[str, Any] | None]) -> Needs:
    """Of what a run makes and checks; `metadata` gives what the code location shows of an asset."""
    keys = {one if isinstance(one, dg.AssetKey) else one.asset_key for one in entities}
    found = {key: metadata(key) for key in sorted(keys)}
    return Needs.of({key: value for key, value in found.items() if value is not None})


def _value(published: Any) -> dict[str, Any]:
    told: Any = published.value if isinstance(published, dg.JsonMetadataValue) else published
    return dict(told)


def _thousandths(cpu: str) -> int:
    return int(cpu[:-1]) if cpu.endswith("m") else int(cpu) * 1000
