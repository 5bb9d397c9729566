"""Scripts as pods: what one is given, how its rows come back, and what becomes of one that fails, hangs, talks, eats too much or is lost."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts import secret_references, settings
from dataproducts.errors import DeclarationError, SourceError
from dataproducts.kubernetes import script_pod
from dataproducts.kubernetes.script_pod import ScriptPods
from tests.conftest import Recorded
from tests.kubernetes import server
from tests.kubernetes.conftest import INSTANCE
from tests.kubernetes.server import Cluster, Pod

KIT, OTHER = "registry.example.com/kit:1", "registry.example.com/other:2"
DAYS = dg.DailyPartitionsDefinition("2026-11-01", end_date="2026-11-11", timezone="Europe/Oslo")
OOM = {"exitCode": 137, "reason": "OOMKilled"}


class Sale(pa.DataFrameModel):
    """A sale."""

    name: str = dp.column("Of what.", source="name")
    amount: int = dp.column("How many.", source="amount", ge=0)


@pytest.fixture(scope="module")
def production(served: tuple[Cluster, Path]) -> Iterator[dg.DagsterInstance]:
    """Dagster's instance as a run's pod has it."""
    config = {
        "service_account_name": "dagster", "instance_config_map": "dagster-instance", "dagster_home": "/opt/dagster",
        "load_incluster_config": False, "kubeconfig_file": str(served[1]), "job_namespace": server.NAMESPACE, "job_image": KIT,
        "env_config_maps": ["dataproducts"], "env_secrets": ["lake", "shop"], "image_pull_secrets": [{"name": "registry"}],
    }  # fmt: skip
    launcher = {"module": "dataproducts.kubernetes.launcher", "class": "ProductRunLauncher", "config": config}
    with dg.instance_for_test(overrides={**INSTANCE, "run_launcher": launcher}, set_dagster_home=False) as instance:
        yield instance


@pytest.fixture(autouse=True)
def pods(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripts are pods, which are asked often how they do."""
    monkeypatch.setenv(settings.SCRIPTS, "pod")
    monkeypatch.setattr(script_pod, "_POLL", 0.1)
    cluster.calls_modules = True


@pytest.fixture
def script(product: dp.DataProduct) -> Callable[..., dp.dataset.Dataset]:
    """Declare a script dataset of the product "shop" whose script is this text."""

    def declare(text: str = "", file: str | None = "job.py", **options: Any) -> Any:
        if file is not None:
            (product.folder / file).write_text(text)
        return product.script_dataset(file, **{"schema": Sale, "key": "name", "name": "sales", "output": "sales.csv", **options})

    return declare


@pytest.fixture
def ran(product: dp.DataProduct, materialize: Callable[..., Recorded], production: dg.DagsterInstance, cluster: Cluster) -> Any:
    """Materialize a dataset of the product; afterwards no pod is left, and nothing of what it was given."""

    def run(dataset: Any, partition: str | None = None) -> Recorded:
        recorded = materialize(product, dataset.declaration.name, partition=partition, instance=production)
        cluster.settled()
        assert cluster.pods == {}
        assert not left_behind()
        return recorded

    return run


@pytest.fixture
def refusal(product: dp.DataProduct, production: dg.DagsterInstance, cluster: Cluster) -> Callable[..., str]:
    """What is said of a script that fails, without all that a run of Dagster's does beside."""

    def refused(dataset: Any) -> str:
        run = dg.DagsterRun(job_name="job", run_id="2f1c9d3e-0000-4000-8000-000000000000")
        with pytest.raises(SourceError) as raised:
            dataset.function.run("-", {}, print, place=ScriptPods(product.facts, run, production.run_launcher))
        cluster.settled()
        assert cluster.pods == {}
        assert not left_behind()
        return str(raised.value)

    return refused


def left_behind() -> list[Path]:
    """Files of scripts that are in the lake still."""
    return [path for path in Path(settings.lake()).glob("_staging/**/*") if path.is_file()]


def containers(cluster: Cluster) -> dict[str, Any]:
    (made,) = cluster.made
    return {one["name"]: one for one in (*made["spec"]["initContainers"], *made["spec"]["containers"])}


# What it is given, and what comes back


def test_a_script_is_given_its_files_and_what_it_writes_goes_the_way_of_any_datasets_rows(
    product, script, ran, cluster, monkeypatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "s3cret-token")
    cluster.secrets = {"lake": {"LAKE_KEY": "k3y-of-the-lake"}, "shop": {"SHOP_TOKEN": "s3cret-token", "OTHER": "0ther"}}

    @product.dataset(schema=Sale, key="name", partitions=DAYS)
    def counted(partition: str) -> pl.DataFrame:
        """Counted."""
        return pl.DataFrame({"name": ["x"], "amount": [int(partition[-2:])]})

    text = """
import os, sys
import polars as pl
from dagster_pipes import open_dagster_pipes
with open_dagster_pipes() as pipes:
    amount = pl.read_parquet(os.environ["DATAPRODUCTS_INPUT_COUNTED"])["amount"][0]
    print("the token is", os.environ["SHOP_TOKEN"])
    seen = [name for name in ("MODE", "SHOP_TOKEN", "OTHER", "LAKE_KEY") if name in os.environ]
    with open("sales.csv", "w") as file:
        file.write(f"name,amount\\n{' '.join(seen)} {pipes.get_extra('partition')} {sys.argv[1]},{amount}\\n")
    pipes.log.info("brewed")
    pipes.report_asset_materialization(metadata={"cups": 3})
"""
    sales = script(text, partitions=DAYS, inputs=[counted], environment={"MODE": "on"}, secrets=["SHOP_TOKEN"], arguments=["{partition}"])
    assert ran(counted, "2026-11-03").success
    cluster.fate = server.executed
    cluster.calls_modules = "CI" not in os.environ
    run = ran(sales, "2026-11-03")
    assert run.success, run.failure
    assert dp.read("shop/sales").to_dict("list") == {"name": ["MODE SHOP_TOKEN 2026-11-03 2026-11-03"], "amount": [3]}
    assert run.events["shop/sales", "2026-11-03"]["cups"] == 3
    assert "the token is ***" in run.text
    assert "brewed" in run.text
    assert "s3cret-token" not in run.text + str(cluster.made)


def test_a_secret_that_is_not_the_clusters_own_is_asked_for_there(script, ran, cluster, monkeypatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "sm://shop-prod/token")
    monkeypatch.setattr(secret_references, "_read", lambda *_: "s3cret-token")
    said = ran(script(secrets=["SHOP_TOKEN"])).failure
    assert "SHOP_TOKEN names a secret of Secret Manager, and job.py is a pod, which takes the cluster's own" in said
    assert cluster.made == []


def test_a_pod_has_what_product_yaml_says_and_can_do_no_harm(facts_file, cluster, production, materialize) -> None:
    folder = facts_file()
    with (folder / "product.yaml").open("a") as file:
        file.write(
            "runtime: {resources: {cpu: 500m, memory: 2Gi, scratch: 9Gi}, service_account: shop, node_labels: [{name: disk, value: fast}]}\n"
        )
    product = dp.DataProduct(folder)
    (folder / "job.py").write_text("")
    product.script_dataset("job.py", schema=Sale, key="name", name="sales", output="s.csv", memory="8Gi", timeout=timedelta(minutes=5))
    cluster.fate = server.at("script", terminated={"exitCode": 1, "reason": "Error"})
    run = materialize(product, "sales", instance=production)
    (made,) = cluster.made
    labels, spec = made["metadata"]["labels"], made["spec"]
    assert labels == {
        "dataproducts/product": "shop", "egress.dataproducts/shop": "true", "dagster/run-id": run.run_id, "dataproducts/script": "true",
    }  # fmt: skip
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("dagster", False)
    assert (spec["activeDeadlineSeconds"], spec["restartPolicy"], spec["nodeSelector"]) == (300 + 1800, "Never", {"disk": "fast"})
    assert spec["securityContext"]["runAsNonRoot"]
    for container in containers(cluster).values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
    own = containers(cluster)["script"]
    assert own["image"] == KIT
    assert (own["resources"]["limits"]["memory"], own["resources"]["requests"]["cpu"]) == ("8192Mi", "500m")
    assert "envFrom" not in own


def test_any_image_may_run_with_the_script_or_by_itself(script, product, ran, cluster) -> None:
    sales = script("open('sales.csv', 'w').write('name,amount\\nx,1\\n')", image=OTHER)
    by_itself = product.script_dataset(image=OTHER, name="made", arguments=["--out", "{output}"], schema=Sale, key="name", output="m.csv")
    cluster.fate = server.executed
    assert ran(sales).success
    assert dp.read("shop/sales")["name"].tolist() == ["x"]
    assert containers(cluster)["script"]["image"] == OTHER
    assert containers(cluster)["hand-over"]["image"] == KIT
    cluster.made.clear()
    cluster.fate = server.without_image
    cluster.fate = server.at("script", "no such option", terminated={"exitCode": 2, "reason": "Error"})
    assert f"shop/made: {OTHER} ended with status 2; its last line: no such option; nothing was stored" == ran(by_itself).failure
    own = containers(cluster)["script"]
    assert "command" not in own
    assert own["args"] == ["--out", f"{script_pod.FOLDER}/files/m.csv"]


def test_an_image_needs_a_cluster_and_a_name_and_brings_its_packages(script, product, monkeypatch) -> None:
    monkeypatch.delenv(settings.SCRIPTS)
    assert "runs in the image registry.example.com/other:2, for which there has to be a cluster" in str(_raised(script(image=OTHER)))
    for options, said in (
        ({"image": "no such image"}, "'no such image' is no name of an image"),
        ({"image": OTHER, "file": "job.py", "requirements": "r.txt"}, "brings its packages in its image"),
        ({"file": None}, "is given a file, or an image and a name"),
    ):
        with pytest.raises(DeclarationError, match=said):
            product.script_dataset(**{"schema": Sale, "name": "other", "file": None, "output": "o.csv", **options})


def _raised(dataset: Any) -> Exception:
    with pytest.raises(Exception) as raised:
        dataset()
    return raised.value


def test_rows_that_break_the_contract_are_not_stored(script, ran, cluster) -> None:
    cluster.fate = server.executed
    sales = script("open('sales.csv', 'w').write('name,amount\\nx,-1\\n')")
    assert "break the contract (amount_greater_than_or_equal_to: 1); nothing was stored" in ran(sales).failure
    assert sales.history().versions() == []


def test_what_leads_out_of_the_folder_is_not_handed_over(script, refusal, cluster) -> None:
    cluster.fate = server.executed
    assert "what it hands over leads out of its folder" in refusal(script("import os; os.symlink('/proc/self/environ', 'sales.csv')"))


# What goes wrong

FAILED = {"exitCode": 1, "reason": "Error"}


@pytest.mark.parametrize(
    ("fate", "said"),
    [
        (server.at("script", "reading", "no beans", terminated=FAILED), "job.py ended with status 1; its last line: no beans"),
        (
            server.at("script", "eating", terminated=OOM),
            "job.py: its pod outgrew its memory limit of 1024Mi; raise `runtime: resources: memory_limit` in product.yaml of shop; "
            "its last line: eating",
        ),
        (server.at("script", "x", "MemoryError", terminated=FAILED), "job.py outgrew its memory; its last line: MemoryError"),
        (server.at("hand-over", "done", terminated={"exitCode": 3}), "job.py ended well and handed nothing over"),
        (
            server.at("hand-over", terminated={"exitCode": 4}),
            "it hands over more than 2Gi; raise `runtime: resources: scratch` in product.yaml",
        ),
        (
            server.at("hand-over", "the files at gs://lake cannot be written", terminated=FAILED),
            "job.py: it cannot hand over its rows (the files at gs://lake cannot be written)",
        ),
        (server.at("bring", "there are no files", terminated=FAILED), "job.py: it cannot be given its files (there are no files)"),
        (server.evicted, "job.py: its pod was evicted (The node was low on resource: ephemeral-storage)"),
    ],
    ids=["fails", "outgrows the limit", "has no memory", "hands nothing over", "hands too much over", "no lake", "no files", "evicted"],
)
def test_what_goes_wrong_with_a_pod_is_the_reason_of_the_run(script, refusal, cluster, fate: server.Fate, said: str) -> None:
    cluster.fate = fate
    assert said in refusal(script())


def test_a_run_whose_script_fails_as_a_pod_has_its_log_and_stores_nothing(script, ran, cluster) -> None:
    cluster.fate = server.at("script", "reading", "no beans", terminated=FAILED)
    sales = script()
    run = ran(sales)
    assert run.failure == "shop/sales: job.py ended with status 1; its last line: no beans; nothing was stored"
    assert "reading" in run.text
    assert sales.history().versions() == []


def test_a_script_that_hangs_is_stopped_and_its_pod_taken_away(script, refusal, cluster) -> None:
    cluster.fate = server.at("script", "waiting for the bank", running={})
    said = refusal(script(timeout=timedelta(seconds=0.2)))
    assert (
        said == "shop/sales: job.py did not end within 0.2 seconds and was stopped; its last line: waiting for the bank; nothing was stored"
    )


def test_a_memory_of_its_own_is_what_it_is_told_of(script, refusal, cluster) -> None:
    cluster.fate = server.at("script", terminated=OOM)
    assert "job.py outgrew its memory of 256 MiB" in refusal(script(memory="256Mi"))


@pytest.mark.parametrize(
    ("fate", "said"),
    [
        (
            server.unschedulable,
            "its pod finds no node (0/3 nodes are available: 3 Insufficient memory); it asks for cpu 200m, memory 512Mi",
        ),
        (server.without_image, "its pod cannot have the image"),
        (
            server.at("script", waiting={"reason": "CreateContainerConfigError", "message": 'secret "shop" not found'}),
            'its pod cannot start its container script (CreateContainerConfigError: secret "shop" not found)',
        ),
        (server.at("bring", waiting={"reason": "PodInitializing"}), "its pod is still at its container bring after"),
    ],
    ids=["no node", "no image", "no secret", "nothing"],
)
def test_a_pod_that_does_not_start_is_not_waited_for_without_end(
    script, refusal, cluster, monkeypatch: pytest.MonkeyPatch, fate: server.Fate, said: str
) -> None:
    monkeypatch.setattr(script_pod, "_START_SECONDS", 0.1)
    monkeypatch.setattr(script_pod, "_WAITING_SECONDS", 0.05)
    cluster.fate = fate
    assert said in refusal(script())


def test_a_pod_that_is_deleted_fails_the_run_with_what_it_said_last(script, refusal, cluster) -> None:
    read = threading.Event()

    def deleted(cluster: Cluster, pod: Pod) -> None:
        server.at("script", "half way", running={})(cluster, pod)
        while "get pods/log" not in cluster.asked:
            read.wait(0.01)
        cluster.delete(pod)

    cluster.fate = deleted
    assert "job.py: its pod was deleted while it ran; its last line: half way; nothing was stored" in refusal(script())


def test_a_cluster_that_does_not_answer_for_a_moment_loses_nothing(script, ran, cluster) -> None:
    def hiccups(cluster: Cluster, pod: Pod) -> None:
        cluster.refuse(r"GET .*/pods/script", 500)
        cluster.refuse(r"GET .*/pods/.*/log", 500)
        cluster.refuse(r"DELETE .*/pods/script", 500)
        server.executed(cluster, pod)

    cluster.fate = hiccups
    run = ran(script("print('all of it')\nopen('sales.csv', 'w').write('name,amount\\nx,1\\n')"))
    assert run.success, run.failure
    assert run.text.count("all of it") == 1


def test_a_cluster_that_takes_no_pod_says_why(script, refusal, cluster) -> None:
    cluster.refuse("POST .*/pods", 403)
    assert "the cluster takes no pod for job.py (403 POST" in refusal(script())


def test_a_run_that_is_interrupted_takes_its_pod_along(script, refusal, cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    cluster.fate = server.at("script", running={})
    monkeypatch.setattr(script_pod, "trouble", interrupted)
    with pytest.raises(KeyboardInterrupt):
        refusal(script())
    assert len(cluster.made) == 1
    assert (cluster.pods, left_behind()) == ({}, [])


def test_lines_are_passed_on_once_however_often_a_log_is_read(script, ran, cluster) -> None:
    def talks(cluster: Cluster, pod: Pod) -> None:
        for line in ("one", "two"):
            pod.say("script", line)
        pod.said["script"] = [
            ("2026-11-03T10:00:00.1Z", "first"),
            ("2026-11-03T10:00:00.12Z", "second"),
            ("2026-11-03T10:00:00.12Z", "third"),
        ]
        server.at("script", running={})(cluster, pod)
        seen = len(cluster.requests)
        while len(cluster.requests) < seen + 8:
            threading.Event().wait(0.01)
        pod.said["script"].append(("2026-11-03T10:00:00.12Z", "fourth"))
        server.at("script", terminated=FAILED)(cluster, pod)

    cluster.fate = talks
    run = ran(script())
    messages = [entry.user_message for entry in run.instance.all_logs(run.run_id)]
    assert [line for line in messages if line in ("first", "second", "third", "fourth")] == ["first", "second", "third", "fourth"]


def test_the_deployment_lets_a_run_do_what_its_scripts_take(script, ran, cluster, may) -> None:
    cluster.fate = server.executed
    assert ran(script("open('sales.csv', 'w').write('name,amount\\nx,1\\n')")).success
    assert {"create pods", "get pods", "get pods/log", "delete pods"} == cluster.asked
    assert cluster.asked <= may("launch-runs")
