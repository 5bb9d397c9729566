"""`deploy/kubernetes`: what the clusters would be given, held against Kubernetes' schemas, the rules for pods, and the names jobs use."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest
import yaml

from dataproducts import settings
from dataproducts.catalog.web.catalog import VARIABLES
from dataproducts.kubernetes.pod import SCRATCH_FOLDER
from dataproducts.manifests.jobs import INSTANCE, INSTANCE_FOLDER, INSTANCE_SECRET, SETTINGS
from tests.deploy.kustomize import KUBERNETES, ROOT, Cluster, command

pytestmark = pytest.mark.skipif(command() is None, reason="needs kubectl or kustomize")
OVERLAYS = ("local", "gcp")
MADE_BY_HAND = {INSTANCE_SECRET, SETTINGS, "catalog-postgresql", "postgresql"}
"""Secrets that docs/deploying.md has people make."""
ON_A_PRODUCT, OF_A_RUN = "dataproducts/product", "app.kubernetes.io/component"


@pytest.fixture(params=OVERLAYS)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    """Each overlay."""
    return Cluster(KUBERNETES / "overlays" / request.param)


@pytest.fixture
def gcp() -> Cluster:
    return Cluster(KUBERNETES / "overlays/gcp")


@pytest.fixture
def local() -> Cluster:
    return Cluster(KUBERNETES / "overlays/local")


def test_kubernetes_takes_every_document(cluster: Cluster) -> None:
    for document in cluster.documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        assert document["kind"] == "Namespace" or document["metadata"]["namespace"] == "dataproducts"


def test_every_pod_runs_without_rights_on_a_file_system_it_cannot_write(cluster: Cluster) -> None:
    for name, pod in cluster.pods().items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        assert spec["enableServiceLinks"] is False, name  # a service named catalog would set CATALOG_PORT
        assert all("hostPath" not in volume for volume in spec["volumes"]), name
    for name, container in cluster.containers():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert container["resources"]["limits"]["memory"], name
        assert container["resources"]["requests"].keys() >= {"cpu", "memory"}, name
        assert ":" in container["image"].rpartition("/")[2], f"{name}: its image is of no version"
        assert not container["image"].endswith(":latest"), name
    (namespace,) = cluster.of("Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_container_that_stays_is_looked_after(cluster: Cluster) -> None:
    for name, pod in cluster.pods().items():
        for container in pod["spec"]["containers"] if name not in cluster.of("CronJob") else ():
            assert {"startupProbe", "livenessProbe"} <= set(container), name
            assert "readinessProbe" in container or "ports" not in container, f"{name}: what is asked is asked only when ready"


def test_every_name_that_is_referred_to_is_there(cluster: Cluster) -> None:
    maps, accounts, claims = cluster.of("ConfigMap"), cluster.of("ServiceAccount"), cluster.of("PersistentVolumeClaim")
    for name, pod in cluster.pods().items():
        spec = pod["spec"]
        assert spec.get("serviceAccountName") in {*accounts, None}, name
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert {v["configMap"]["name"] for v in volumes.values() if "configMap" in v} <= set(maps)
        assert {v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v} <= set(claims)
    for name, container in cluster.containers():
        for source in container.get("envFrom", ()):
            assert source.get("configMapRef", {}).get("name") in {*maps, None}, name
            assert source.get("secretRef", {}).get("name") in {*MADE_BY_HAND, None}, name
    roles = cluster.of("Role")
    for binding in cluster.of("RoleBinding").values():
        assert binding["roleRef"]["name"] in roles
        assert {subject["name"] for subject in binding["subjects"]} <= set(accounts)
    assert not cluster.of("Secret"), "a secret has no place in a repository"


def test_services_and_budgets_find_their_pods(cluster: Cluster) -> None:
    labels = {name: pod["metadata"]["labels"] for name, pod in cluster.pods().items()}
    for name, service in cluster.of("Service").items():
        assert service["spec"]["selector"].items() <= labels[name].items()
        ports = {port["name"] for container in cluster.pods()[name]["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for name, budget in cluster.of("PodDisruptionBudget").items():
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels[name].items()
        assert cluster.of("Deployment")[name]["spec"]["replicas"] > 1, "a budget over one replica keeps a node from being emptied"


def test_nothing_comes_in_or_goes_out_but_what_a_policy_says(cluster: Cluster) -> None:
    policies = cluster.of("NetworkPolicy")
    everything = policies.pop("default-deny")["spec"]
    assert everything["podSelector"] == {}
    assert everything["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in everything
    assert {port["port"] for rule in everything["egress"] for port in rule["ports"]} == {53}
    known = [pod["metadata"]["labels"] for pod in cluster.pods().values()]
    known += [{**of_a_run(kind), ON_A_PRODUCT: "shop"} for kind in ("run_worker", "step_worker")]
    for policy in policies.values():
        spec = policy["spec"]
        sides = [side for rule in spec.get("ingress", ()) for side in rule["from"]]
        sides += [side for rule in spec.get("egress", ()) for side in rule.get("to", ())]
        for selector in [spec["podSelector"], *(side["podSelector"] for side in sides if "podSelector" in side)]:
            assert any(selects(selector, labels) for labels in known), f"{policy['metadata']['name']} chooses nobody: {selector}"
        assert all(rule["ports"] for rule in [*spec.get("ingress", ()), *spec.get("egress", ())])


def test_who_talks_to_whom_may(cluster: Cluster) -> None:
    run = {**of_a_run("run_worker"), ON_A_PRODUCT: "shop"}
    labels = {**{name: pod["metadata"]["labels"] for name, pod in cluster.pods().items()}, "run": run}

    def may(one: str, other: str, port: int) -> bool:
        policies = [policy["spec"] for policy in cluster.of("NetworkPolicy").values()]
        out = [rule for spec in policies if selects(spec["podSelector"], labels[one]) for rule in spec.get("egress", ())]
        comes = [rule for spec in policies if selects(spec["podSelector"], labels[other]) for rule in spec.get("ingress", ())]
        return any(passes(rule, "to", labels[other], port) for rule in out) and any(passes(r, "from", labels[one], port) for r in comes)

    for one, other, port in [
        ("webserver", "code-location", 4000), ("daemon", "code-location", 4000), ("code-location", "catalog", 8080), ("run", "catalog", 8080)
    ]:  # fmt: skip
        assert may(one, other, port), f"{one} does not reach {other}"
    assert not may("catalog", "code-location", 4000)
    assert not may("run", "webserver", 3000)
    assert not may("run", "code-location", 4000)
    if "postgresql" in labels:
        assert all(may(one, "postgresql", 5432) for one in labels if one != "postgresql")


def test_only_what_starts_and_ends_runs_may_do_anything_to_the_cluster(cluster: Cluster) -> None:
    assert not cluster.of("ClusterRole")
    rights = {
        name: {
            (group, resource): set(rule["verbs"]) for rule in role["rules"] for group in rule["apiGroups"] for resource in rule["resources"]
        }
        for name, role in cluster.of("Role").items()
    }
    assert rights["launch-runs"] == {
        ("batch", "jobs"): {"create", "get", "list", "watch", "delete"},
        ("", "pods"): {"create", "get", "list", "watch", "delete"},
        ("batch", "jobs/status"): {"get"},
        ("", "pods/log"): {"get"},
        ("", "events"): {"list"},
    }
    assert rights["end-runs"] == {("batch", "jobs"): {"list", "delete"}, ("", "pods"): {"list", "delete"}}
    bound = {name: {one["name"] for one in binding["subjects"]} for name, binding in cluster.of("RoleBinding").items()}
    assert bound == {"launch-runs": {"daemon", "dagster-run"}, "end-runs": {"webserver"}}
    tokens = {name for name, pod in cluster.pods().items() if pod["spec"]["automountServiceAccountToken"]}
    assert tokens == {"daemon", "webserver"}
    assert not any(account["automountServiceAccountToken"] for account in cluster.of("ServiceAccount").values())


def test_the_names_are_those_that_jobs_use(cluster: Cluster) -> None:
    maps = cluster.of("ConfigMap")
    assert {INSTANCE, SETTINGS} <= set(maps)
    for name in ("code-location", "webserver", "daemon", "housekeeping", "doctor"):
        (container,) = cluster.pods()[name]["spec"]["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert (mounts["instance"], mounts["scratch"]) == (INSTANCE_FOLDER, SCRATCH_FOLDER)
        variables = {one["name"]: one.get("value") for one in container["env"]}
        assert (variables["DAGSTER_HOME"], variables["TMPDIR"]) == (INSTANCE_FOLDER, SCRATCH_FOLDER)
        assert {"configMapRef": {"name": SETTINGS}} in container["envFrom"]
        assert {"secretRef": {"name": INSTANCE_SECRET}} in container["envFrom"]
        (volume,) = [one for one in cluster.pods()[name]["spec"]["volumes"] if one["name"] == "instance"]
        assert volume["configMap"]["name"] == INSTANCE
    launcher = yaml.safe_load(maps[INSTANCE]["data"]["dagster.yaml"])["run_launcher"]["config"]
    assert (launcher["instance_config_map"], launcher["dagster_home"]) == (INSTANCE, INSTANCE_FOLDER)
    assert launcher["env_config_maps"] == [SETTINGS]
    assert INSTANCE_SECRET in launcher["env_secrets"]
    assert set(launcher["env_secrets"]) <= MADE_BY_HAND
    assert launcher["service_account_name"] in cluster.of("ServiceAccount")
    (location,) = yaml.safe_load(maps[INSTANCE]["data"]["workspace.yaml"])["load_from"]
    server = location["grpc_server"]
    assert server["location_name"] == settings.location()
    assert server["port"] == cluster.of("Service")[server["host"]]["spec"]["ports"][0]["port"]


def test_the_doctor_is_asked_as_who_a_run_is(cluster: Cluster) -> None:
    assert cluster.of("CronJob")["doctor"]["spec"]["suspend"]
    pod, launcher = (
        cluster.pods()["doctor"],
        yaml.safe_load(cluster.of("ConfigMap")[INSTANCE]["data"]["dagster.yaml"])["run_launcher"]["config"],
    )
    assert pod["spec"]["serviceAccountName"] == launcher["service_account_name"]
    assert pod["metadata"]["labels"][OF_A_RUN] == "run_worker"
    (container,) = pod["spec"]["containers"]
    assert {one["secretRef"]["name"] for one in container["envFrom"] if "secretRef" in one} == set(launcher["env_secrets"])


def test_runs_take_the_image_of_the_code(cluster: Cluster) -> None:
    (container,) = cluster.pods()["code-location"]["spec"]["containers"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    assert variables["DAGSTER_CURRENT_IMAGE"] == container["image"]
    ours = {one["image"] for name, one in cluster.containers() if name != "postgresql"}
    assert ours == {container["image"]}


def test_every_setting_is_one_that_is_read(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    given = cluster.of("ConfigMap")[SETTINGS]["data"]
    read = "".join(file.read_text() for folder in ("dataproducts", "assets", "resources") for file in (ROOT / folder).rglob("*.py"))
    instance = cluster.of("ConfigMap")[INSTANCE]["data"]["dagster.yaml"]
    for name, value in given.items():
        assert f'"{name}"' in read or f"env: {name}}}" in instance, f"nothing reads {name}"
        monkeypatch.setenv(name, value)
    assert {"CATALOG_BASE_URL", "CATALOG_DAGSTER_URL"} <= given.keys() & VARIABLES.keys()
    assert settings.environment() == given["DATAPRODUCTS_ENV"]
    assert settings.lake() == given["DATAPRODUCTS_LAKE"]
    host, _, port = given["CATALOG_URL"].removeprefix("http://").partition(":")
    assert cluster.of("Service")[host]["spec"]["ports"][0]["port"] == int(port)


def test_on_google_cloud_the_lake_is_a_bucket_and_pods_are_who_they_are(gcp: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    given = gcp.of("ConfigMap")[SETTINGS]["data"]
    assert given["DATAPRODUCTS_LAKE"].startswith("gs://")
    from dataproducts.definitions import port_resources, products, resources

    located = products()  # with the addresses of here, since other tests of this process see the same products
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert {"register", "bigquery", "kafka"} <= {**port_resources(located), **resources()}.keys()
    accounts = gcp.of("ServiceAccount")
    known = {name for name, one in accounts.items() if "iam.gke.io/gcp-service-account" in one["metadata"].get("annotations", {})}
    assert known == {"code-location", "dagster-run", "webserver"}
    documented = (ROOT / "docs/deploying.md").read_text()
    assert all(f"| `{name}` |" in documented for name in accounts)


def test_a_cluster_on_one_machine_has_its_own_database_and_a_lake_that_runs_see(local: Cluster) -> None:
    import json

    from dagster_k8s.container_context import K8sContainerContext

    (container,) = local.pods()["code-location"]["spec"]["containers"]
    variables = {one["name"]: one.get("value") for one in container["env"]}
    told = json.loads(variables["DAGSTER_CONTAINER_CONTEXT"])
    pods_of_runs = K8sContainerContext.create_from_config(told).run_k8s_config.pod_spec_config
    assert pods_of_runs["volumes"][0]["persistent_volume_claim"] == {"claim_name": "lake"}
    context = told["k8s"]
    (mount,), (volume,) = context["volume_mounts"], context["volumes"]
    assert volume in local.pods()["code-location"]["spec"]["volumes"]
    assert mount in container["volumeMounts"]
    assert mount in local.pods()["doctor"]["spec"]["containers"][0]["volumeMounts"]
    assert local.of("ConfigMap")[SETTINGS]["data"]["DATAPRODUCTS_LAKE"].startswith(mount["mountPath"])
    assert "postgresql" in local.of("StatefulSet")


def of_a_run(component: str) -> dict[str, str]:
    """The labels of a pod that Dagster makes."""
    from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job

    job = construct_dagster_k8s_job(DagsterK8sJobConfig(job_image="shop:1"), [], "run", component=component)
    labels: dict[str, str] = job.spec.template.metadata.labels
    assert labels[OF_A_RUN] == component
    return labels


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a selector of pods chooses one with these labels."""
    for one in selector.get("matchExpressions", ()):
        if one["key"] not in labels or (one["operator"] == "In" and labels[one["key"]] not in one["values"]):
            return False
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def passes(rule: dict[str, Any], side: str, labels: dict[str, str], port: int) -> bool:
    """Whether a rule lets something on its way to, or from, a pod with these labels."""
    there = side not in rule or any("podSelector" in one and selects(one["podSelector"], labels) for one in rule[side])
    return there and any(one["port"] == port for one in rule["ports"])
