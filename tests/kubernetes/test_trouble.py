"""Why a pod does not run, as one clause; and what products that share a pod need together."""

from __future__ import annotations

from typing import Any

import pytest
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from kubernetes.client import V1Pod

from dataproducts import settings
from dataproducts.errors import ConfigurationError, DeclarationError
from dataproducts.kubernetes.needs import Needs, together
from dataproducts.kubernetes.trouble import trouble
from dataproducts.product_facts import Runtime


def said(**status: Any) -> str | None:
    """What is said of a pod with this status."""
    container = {"name": "run", "image": "shop:1", "resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "2Gi"}}}
    pod = k8s_model_from_dict(V1Pod, k8s_snake_case_dict(V1Pod, {"spec": {"containers": [container]}, "status": status}))
    found = trouble(pod)
    return found.text if found is not None else None


def container(**state: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "run", "image": "shop:1", "imageID": "", "ready": False, "restartCount": 0, "state": state}]}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"phase": "Pending"}, None),
        ({"phase": "Running", **container(running={})}, None),
        ({"phase": "Succeeded", **container(terminated={"exitCode": 0})}, None),
        ({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}, None),
        ({"phase": "Pending", **container(waiting={"reason": "ContainerCreating"})}, None),
        ({"phase": "Failed", "reason": "DeadlineExceeded"}, "did not end in time; see `runtime: deadline_minutes` in product.yaml"),
        (
            {"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "for\n another pod."}]},
            "was taken away by the cluster (PreemptionByScheduler: for another pod)",
        ),
        ({"phase": "Failed", "reason": "NodeShutdown", "message": "Node is going."}, "was ended by the cluster (NodeShutdown: Node is going)"),
        ({"phase": "Failed", **container(terminated={"exitCode": 7})}, "ended its container run with status 7"),
        ({"phase": "Failed", **container(terminated={"exitCode": 137, "reason": "Error"})}, "ended its container run with status 137"),
    ],
    ids=str,
)  # fmt: skip
def test_what_kubernetes_says_of_a_pod_becomes_one_clause(status: dict[str, Any], text: str | None) -> None:
    assert said(**status) == text


def test_products_share_a_pod_unless_a_variable_or_a_node_would_have_two_values() -> None:
    one = Runtime.model_validate({"environment": [{"name": "MODE", "value": "on"}], "deadline_minutes": 30, "retries": 0})
    other = Runtime.model_validate({"environment": [{"name": "MODE", "value": "on"}], "node_labels": [{"name": "disk", "value": "fast"}]})
    both = together({"one": one, "other": other})
    assert ([e.value for e in both.environment], both.deadline_minutes, both.retries) == (["on"], 360, 1)
    assert [n.value for n in both.node_labels] == ["fast"]
    off = Runtime.model_validate({"environment": [{"name": "MODE", "value": "off"}]})
    with pytest.raises(DeclarationError, match="one and off cannot share a run: MODE is 'on' for one and 'off' for the other"):
        together({"one": one, "off": off})
    slow = Runtime.model_validate({"node_labels": [{"name": "disk", "value": "slow"}]})
    with pytest.raises(DeclarationError, match="other and slow cannot share a run: node label disk is 'fast'"):
        together({"other": other, "slow": slow})


def test_what_a_run_needs_is_read_from_its_tag_as_it_was_written() -> None:
    needs = Needs(("shop",), Runtime.model_validate({"resources": {"memory": "3Gi"}, "secrets": ["shop"]}), scripts=True)
    assert Needs.from_tag(needs.tag()) == needs
    assert Needs.from_tag(None) == Needs((), Runtime())


def test_a_way_to_run_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(settings.SCRIPTS, "vm")
    with pytest.raises(ConfigurationError, match="DATAPRODUCTS_SCRIPTS is 'vm'"):
        settings.run_as(settings.SCRIPTS)
