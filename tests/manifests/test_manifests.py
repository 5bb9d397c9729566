"""`dataproducts manifest`: what a cluster is told of a product, held against the rules of nais and the schemas of Kubernetes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pandera.polars as pa
import pytest
import yaml
from click.testing import CliRunner

import dataproducts as dp
from dataproducts.errors import ConfigurationError, DeclarationError
from dataproducts.manifests import alerts, naisjob
from dataproducts.manifests.jobs import jobs, needs
from dataproducts.manifests.kubernetes import cron_jobs
from dataproducts.manifests.topic import topics
from tests.manifests import rules

ROOT = Path(__file__).parents[2]
VERSIONS = ("1.32.0", kubernetes_validate.latest_version())
RUNTIME = """
runtime:
  resources: {cpu: "1", memory: 3Gi, memory_limit: 4Gi, scratch: 20Gi}
  egress: [api.example.com, db.example.com:5433]
  secrets: [shop-database]
  environment: [{name: SHOP_MODE, value: "on"}]
  retries: 2
  deadline_minutes: 90
  service_account: shop
  node_labels: [{name: disk, value: fast}]
"""


class Sale(pa.DataFrameModel):
    """A sale."""

    number: int = dp.column("Number.")


@pytest.fixture
def make(facts_file: Callable[..., Path]) -> Callable[..., dp.DataProduct]:
    """The product "shop" with a scheduled dataset and its ports."""

    def made(
        *ports: Any, runtime: str = "", personal: bool = False, schedule: str | None = "0 5 * * *", name: str = "sales"
    ) -> dp.DataProduct:
        folder = facts_file(personal=personal)
        with (folder / "product.yaml").open("a") as file:
            file.write(runtime)
        product = dp.DataProduct(folder)
        classed = {"personal": "none", "personal_reason": "Amounts."} if personal else {}

        @product.dataset(schema=Sale, key="number", schedule=schedule, ports=ports, name=name, **classed)
        def sales() -> list[dict[str, int]]:
            """What was sold."""
            return []

        return product

    return made


def scheduled(product: dp.DataProduct) -> list[Any]:
    return jobs(product, product.definitions().schedules)


def test_a_naisjob_says_when_and_with_what_a_schedule_runs(make) -> None:
    product = make(dp.BigQuery(), dp.Topic("team-shop.sales"), runtime=RUNTIME)
    (found,) = naisjob.naisjobs(product.facts, scheduled(product), needs(product), image="shop:1", namespace="team-shop", pool="nav-dev")
    rules.check(found)
    spec = found["spec"]
    assert found["metadata"]["name"] == "shop-sales-schedule"
    assert spec["command"] == ["dataproducts", "run", "shop", "--schedule", "shop_sales_schedule"]
    assert (spec["schedule"], spec["timeZone"], spec["concurrencyPolicy"]) == ("0 5 * * *", "Europe/Oslo", "Forbid")
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (2, 5400)
    assert spec["resources"] == {"requests": {"cpu": "1", "memory": "3Gi"}, "limits": {"memory": "4Gi"}}
    assert spec["accessPolicy"]["outbound"]["external"] == [
        {"host": "api.example.com"},
        {"host": "db.example.com", "ports": [{"port": 5433}]},
    ]
    assert spec["gcp"]["bigQueryDatasets"] == [{"name": "shop", "permission": "READWRITE", "description": "Shop"}]
    assert spec["kafka"] == {"pool": "nav-dev"}
    assert {"secret": "shop-database"} in spec["envFrom"]
    variables = {one["name"]: one["value"] for one in spec["env"]}
    assert variables["BIGQUERY_PROJECT"] == "$(GCP_TEAM_PROJECT_ID)"
    assert variables["SHOP_MODE"] == "on"


def test_what_a_product_does_not_use_is_not_asked_for(make) -> None:
    product = make()
    (found,) = naisjob.naisjobs(product.facts, scheduled(product), needs(product), image="shop:1", namespace="team-shop", pool="nav-dev")
    rules.check(found)
    assert not {"gcp", "kafka", "accessPolicy"} & set(found["spec"])
    assert found["spec"]["resources"]["limits"] == {"memory": "1024Mi"}


def test_jobs_of_two_products_share_nothing(make) -> None:
    product = make(runtime=RUNTIME)
    first, second = (
        naisjob.naisjobs(product.facts, scheduled(product), needs(product), image="shop:1", namespace="team-shop", pool=None)[0]
        for _ in "12"
    )
    first["spec"]["accessPolicy"]["outbound"]["external"].append({"host": "elsewhere.example.com"})
    assert len(second["spec"]["accessPolicy"]["outbound"]["external"]) == 2


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_jobs_and_their_policy(make, version: str) -> None:
    product = make(dp.Topic("team-shop.sales"), runtime=RUNTIME)
    found = cron_jobs(product.facts, scheduled(product), needs(product), image="shop:1", namespace="team-shop")
    for manifest in found:
        kubernetes_validate.validate(manifest, version, strict=True)
    job, policy = found
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "shop"
    assert pod["nodeSelector"] == {"disk": "fast"}
    assert pod["securityContext"]["runAsNonRoot"]
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy["spec"]  # nothing may come in
    assert [one["port"] for one in policy["spec"]["egress"][-1]["ports"]] == [443, 5432, 5433, 9092]
    chosen = policy["spec"]["podSelector"]["matchLabels"]
    assert chosen.items() <= job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"].items()


def test_a_broken_contract_is_not_tried_again_and_a_lost_pod_is(make) -> None:
    product = make(runtime=RUNTIME)
    job = cron_jobs(product.facts, scheduled(product), needs(product), image="shop:1", namespace="team-shop")[0]
    spec = job["spec"]["jobTemplate"]["spec"]
    lost, said = spec["podFailurePolicy"]["rules"]
    assert (said["action"], said["onExitCodes"]["values"]) == ("FailJob", [1])
    assert (lost["action"], lost["onPodConditions"][0]["type"]) == ("Ignore", "DisruptionTarget")
    assert spec["backoffLimit"] == 2
    assert spec["template"]["spec"]["containers"][0]["name"] == said["onExitCodes"]["containerName"]


def test_a_topic_has_its_settings_readers_and_annotations(make) -> None:
    product = make(dp.Topic("team-shop.sales", partitions=3, replication=3, retention_hours=-1))
    (found,) = topics(product.facts, needs(product), scheduled(product), namespace="team-shop", pool="nav-prod")
    rules.check(found)
    assert found["metadata"]["name"] == "sales"
    assert found["spec"]["pool"] == "nav-prod"
    assert found["spec"]["config"] == {
        "cleanupPolicy": "compact", "partitions": 3, "replication": 3, "retentionHours": -1, "maxMessageBytes": 1_048_588,
    }  # fmt: skip
    assert found["spec"]["acl"] == [
        {"team": "team-shop", "application": "shop-sales-schedule", "access": "readwrite"},
        {"team": "*", "application": "*", "access": "read"},
    ]
    annotations = {key.removeprefix("dcat.data.nav.no/"): value for key, value in found["metadata"]["annotations"].items()}
    assert annotations["description"] == "What was sold."
    assert (annotations["theme"], annotations["accessRights"], annotations["catalog"]) == ("ECON", "internal", "internal")


def test_a_restricted_topic_is_read_by_the_teams_named_and_nobody_else(facts_file: Callable[..., Path]) -> None:
    product = dp.DataProduct(facts_file(personal=True))

    class Person(pa.DataFrameModel):
        """A person."""

        number: int = dp.column("Number.", personal="possibly_identifying")

    @product.dataset(schema=Person, key="number", schedule="0 5 * * *", ports=[dp.Topic("team-shop.people")])
    def people() -> list[dict[str, int]]:
        """Who bought."""
        return []

    (found,) = topics(product.facts, needs(product), scheduled(product), namespace="team-shop", pool="nav-prod")
    assert [(one["team"], one["access"]) for one in found["spec"]["acl"]] == [("team-shop", "readwrite"), ("team-shop", "read")]
    assert found["metadata"]["annotations"]["dcat.data.nav.no/accessRights"] == "restricted"


@pytest.mark.parametrize(
    ("topic", "namespace", "said"),
    [
        (dp.Topic("team-other.sales"), "team-shop", "is not of the namespace team-shop"),
        (dp.Topic("sales"), "team-shop", "name it team-shop.sales"),
        (dp.Topic("team-shop.Sales_1"), "team-shop", "nais makes no topic named 'Sales_1'"),
        (dp.Topic("team-shop.sales", replication=1), "team-shop", "replication=1"),
    ],
)
def test_a_topic_that_nais_would_not_make_is_refused(make, topic: dp.Topic, namespace: str, said: str) -> None:
    product = make(topic)
    with pytest.raises(DeclarationError, match=said):
        topics(product.facts, needs(product), scheduled(product), namespace=namespace, pool="nav-dev")


def test_what_is_missing_is_told_with_how_to_give_it(make) -> None:
    product = make(dp.Topic("team-shop.sales"))
    with pytest.raises(ConfigurationError, match="--pool nav-dev"):
        naisjob.naisjobs(product.facts, scheduled(product), needs(product), image="shop:1", namespace="team-shop", pool=None)
    with pytest.raises(ConfigurationError, match="--pool nav-dev"):
        topics(product.facts, needs(product), scheduled(product), namespace="team-shop", pool=None)


def test_a_product_without_a_topic_or_a_schedule_has_no_manifest_of_it(make) -> None:
    product = make()
    with pytest.raises(DeclarationError, match="publishes to no topic"):
        topics(product.facts, needs(product), scheduled(product), namespace="team-shop", pool="nav-dev")
    with pytest.raises(DeclarationError, match="shop has no schedule"):
        jobs(product, [])


def test_a_cron_line_that_kubernetes_does_not_know_is_refused(make) -> None:
    product = make(schedule="0 5 L * *")
    with pytest.raises(DeclarationError, match="shop_sales_schedule has the cron line '0 5 L \\* \\*', which has the day of the month 'L'"):
        scheduled(product)


def test_a_name_too_long_for_a_job_is_refused(make) -> None:
    with pytest.raises(DeclarationError, match="a job may have 52; give it a shorter one"):
        scheduled(make(name="s" * 45))


def test_alerts_know_how_long_a_job_may_be_silent(make) -> None:
    product = make(runtime=RUNTIME, schedule="0 5 * * mon-fri")
    found = alerts.rules(product.facts, scheduled(product), namespace="team-shop", label="app")
    failed, late, never = found["spec"]["groups"][0]["rules"][:3]
    patience = 3 * 86_400 + 3_600 + 90 * 60  # from Friday to Monday, the clock's change, and the run itself
    assert late["expr"].endswith(f"> {patience}")
    assert never["for"] == f"{patience}s"
    assert 'condition="true"' in failed["expr"]
    assert late["annotations"]["summary"] == "shop-sales-schedule has not been done for more than 3 days."
    for rule in (failed, late, never):
        assert {"summary", "consequence", "action"} <= set(rule["annotations"])
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_rules_over_datasets_are_of_the_product_alone_and_of_figures_that_the_catalog_serves(make) -> None:
    from dataproducts.catalog.web import dataset_metrics

    product = make(runtime=RUNTIME, schedule="0 5 * * mon-fri")
    found = alerts.rules(product.facts, scheduled(product), namespace="team-shop", label="app")["spec"]["groups"][0]["rules"][3:]
    assert {rule["alert"] for rule in found} == {"DataProductStale", "DataProductFailing", "DataProductCheckFailing"}
    served = {f"dataproducts_{one.name}" for one in vars(dataset_metrics).values() if isinstance(one, dataset_metrics.Figure)}
    for rule in found:
        named = re.findall(r"(\w+)(\{[^}]*\})", rule["expr"])
        assert named
        assert all(figure in served and chosen == '{product="shop"}' for figure, chosen in named)
        assert rule["labels"] == {"severity": "warning", "team": "team-shop", "dataproduct": "shop"}


def test_every_rule_leads_to_the_section_of_the_runbook_that_names_it(make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAPRODUCTS_RUNBOOK_URL", "https://example.com/runbook")
    product = make(runtime=RUNTIME, schedule="0 5 * * mon-fri")
    found = alerts.rules(product.facts, scheduled(product), namespace="team-shop", label="app")["spec"]["groups"][0]["rules"]
    runbook = (ROOT / "docs/runbook.md").read_text()
    for rule in [*found, *alerts.location_rules("here")["rules"]]:
        address, _, section = rule["annotations"]["runbook_url"].partition("#")
        heading = section.replace("-", " ")
        (part,) = [part for part in runbook.split("\n## ") if part.lower().startswith(f"{heading}\n")]
        assert (address, f"`{rule['alert']}`" in part) == ("https://example.com/runbook", True), rule["alert"]


def test_the_rules_in_the_docs_are_those_that_are_written_here() -> None:
    (example,) = re.findall(r"```yaml\n(groups:.*?)```", (ROOT / "docs/alerts.md").read_text(), re.DOTALL)
    assert yaml.safe_load(example) == {"groups": [alerts.location_rules("dataproducts")]}


@pytest.mark.parametrize("product", ["arbeidsplassen", "enhetsregisteret", "fist"])
@pytest.mark.parametrize("kind", ["naisjob", "kubernetes"])
def test_every_product_has_sound_manifests(kind: str, product: str, tmp_path: Path) -> None:
    from dataproducts.cli import cli

    pool = ["--pool", "nav-dev"] if kind == "naisjob" else []
    file = tmp_path / "manifests.yaml"
    result = CliRunner().invoke(cli, ["manifest", kind, product, "--image", "registry.example.com/products:1", *pool, "-o", str(file)])
    assert result.exit_code == 0, result.output
    text = file.read_text()
    assert text.startswith(f"# Written by `dataproducts manifest`: change product.yaml or the code of {product}")
    assert "&id" not in text
    found = list(yaml.safe_load_all(text))
    assert found[-1]["kind"] == "PrometheusRule"
    for manifest in found[:-1]:
        if kind == "naisjob":
            rules.check(manifest)
        else:
            kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("product", ["arbeidsplassen", "enhetsregisteret"])
def test_every_topic_has_a_sound_manifest(product: str) -> None:
    from dataproducts.cli import cli

    result = CliRunner().invoke(cli, ["manifest", "topic", product, "--pool", "nav-prod"])
    assert result.exit_code == 0, result.output
    for manifest in yaml.safe_load_all(result.stdout):
        rules.check(manifest)


def test_a_team_that_is_no_namespace_is_told_of() -> None:
    from dataproducts.cli import cli

    result = CliRunner().invoke(cli, ["manifest", "topic", "fist", "--pool", "nav-dev", "--namespace", "Team Fist"], standalone_mode=False)
    assert isinstance(result.exception, ConfigurationError)
    assert str(result.exception) == "--namespace is 'Team Fist', which is no namespace of Kubernetes; give one with --namespace"
