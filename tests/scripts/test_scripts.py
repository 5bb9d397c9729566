"""Script datasets: what a script is given, how its rows come in, and what becomes of one that fails, hangs, talks or eats too much."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import DeclarationError
from dataproducts.scripts import process
from tests.conftest import Recorded

DAYS = dg.DailyPartitionsDefinition("2026-11-01", end_date="2026-11-11", timezone="Europe/Oslo")
WRITES = """
import os
import polars as pl
pl.DataFrame({"name": ["a", "b"], "amount": [1, 2]}).write_parquet(os.environ["DATAPRODUCTS_OUTPUT"])
"""


class Sale(pa.DataFrameModel):
    """A sale."""

    name: str = dp.column("Of what.")
    amount: int = dp.column("How many.", ge=0)


class Text(pa.DataFrameModel):
    """A sale, as text has it."""

    name: str = dp.column("Of what.", source="Name")
    amount: int = dp.column("How many.", source="Amount", ge=0)


@pytest.fixture
def script(product: dp.DataProduct) -> Callable[..., dp.dataset.Dataset]:
    """Declare a script dataset of the product "shop" whose script is this text."""

    def declare(text: str, file: str = "job.py", schema: Any = Sale, **options: Any) -> Any:
        path = product.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return product.script_dataset(file, schema=schema, key="name", name="sales", **options)

    return declare


@pytest.fixture
def ran(product: dp.DataProduct, materialize: Callable[..., Recorded]) -> Callable[..., Recorded]:
    """Materialize a dataset of the product."""

    def run(dataset: Any, partition: str | None = None) -> Recorded:
        return materialize(product, dataset.declaration.name, partition=partition)

    return run


@pytest.fixture
def refusal(ran: Callable[..., Recorded]) -> Callable[..., str]:
    """What a run that fails says."""

    def refused(dataset: Any, partition: str | None = None) -> str:
        run = ran(dataset, partition)
        assert not run.success
        return run.failure

    return refused


def test_what_a_script_writes_goes_the_way_of_any_datasets_rows(script, ran) -> None:
    sales = script(WRITES)
    run = ran(sales)
    assert run.success
    assert run.checks["key_unique"].passed
    assert dp.read("shop/sales").to_dict("list") == {"name": ["a", "b"], "amount": [1, 2]}
    assert run.events["shop/sales", None]["script"] == "job.py"


def test_rows_that_break_the_contract_are_not_stored(script, refusal) -> None:
    sales = script(WRITES.replace("[1, 2]", "[1, -2]"))
    assert "break the contract (amount_greater_than_or_equal_to: 1); nothing was stored" in refusal(sales)
    assert sales.history().versions() == []


def test_columns_of_another_type_are_refused(script, refusal) -> None:
    sales = script(WRITES.replace("[1, 2]", '["one", "two"]'))
    assert "column 'amount' is String and contract 1.0.0 promises Int64" in refusal(sales)


def test_a_script_is_told_its_partition_and_given_its_inputs(product, script, ran) -> None:
    @product.dataset(schema=Sale, key="name", partitions=DAYS)
    def counted(partition: str) -> pl.DataFrame:
        """Counted."""
        return pl.DataFrame({"name": ["x"], "amount": [int(partition[-2:])]})

    text = """
import os, polars as pl
frame = pl.read_parquet(os.environ["DATAPRODUCTS_INPUT_COUNTED"])
frame.with_columns(name=pl.lit(os.environ["DATAPRODUCTS_PARTITION"])).write_parquet(os.environ["DATAPRODUCTS_OUTPUT"])
"""
    sales = script(text, inputs=[counted], partitions=DAYS)
    assert ran(counted, "2026-11-03").success
    assert ran(sales, "2026-11-03").success
    assert dp.read("shop/sales").to_dict("list") == {"name": ["2026-11-03"], "amount": [3]}
    (version,) = dp.versions("shop/sales")
    assert version.note["inputs"] == {"shop/counted": [["2026-11-03", 1]]}
    assert sales(partition="2026-11-04", counted=pl.DataFrame({"name": ["y"], "amount": [9]})).rows() == [("2026-11-04", 9)]


def test_an_old_script_keeps_its_arguments_and_its_file(script, ran) -> None:
    text = 'import sys, pathlib\npathlib.Path("out").mkdir()\npathlib.Path("out/r.csv").write_text(f"Name,Amount\\n{sys.argv[2]},7\\n")\n'
    sales = script(text, schema=Text, arguments=["--day", "{partition}"], output="out/r.csv", partitions=DAYS)
    assert ran(sales, "2026-11-03").success
    assert dp.read("shop/sales").to_dict("list") == {"name": ["2026-11-03"], "amount": [7]}


def test_a_script_leaves_nothing_in_the_products_folder(script, product, ran) -> None:
    sales = script('import pathlib\npathlib.Path("litter").write_text("x")\n' + WRITES, file="jobs/job.py")
    assert ran(sales).success
    assert [path.name for path in (product.folder / "jobs").iterdir()] == ["job.py"]


def test_a_file_that_came_with_the_script_is_not_what_it_made(script, product, refusal) -> None:
    sales = script("pass", output="old.csv", schema=Text)
    (product.folder / "old.csv").write_text("Name,Amount\na,1\n")
    assert "job.py ended well and handed nothing over; it has to write the file that DATAPRODUCTS_OUTPUT names" in refusal(sales)


def test_a_script_sees_its_own_variables_and_no_others(script, monkeypatch: pytest.MonkeyPatch, ran) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "s3cret-token")
    monkeypatch.setenv("BANK_PASSWORD", "hunter22")
    text = """
import os, json
seen = {k: os.environ.get(k) for k in ("MODE", "SHOP_TOKEN", "BANK_PASSWORD", "DAGSTER_HOME")}
open("seen.json", "w").write(json.dumps([{"name": json.dumps(seen), "amount": 1}]))
"""
    sales = script(text, environment={"MODE": "on"}, secrets=["SHOP_TOKEN"], output="seen.json")
    assert ran(sales).success
    seen = json.loads(dp.read("shop/sales")["name"][0])
    assert seen == {"MODE": "on", "SHOP_TOKEN": "s3cret-token", "BANK_PASSWORD": None, "DAGSTER_HOME": None}


def test_a_secret_that_is_printed_is_in_no_log_and_no_error(script, monkeypatch: pytest.MonkeyPatch, ran) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "s3cret-token")
    sales = script(
        'import os\nprint("token is", os.environ["SHOP_TOKEN"])\nraise SystemExit(os.environ["SHOP_TOKEN"])', secrets=["SHOP_TOKEN"]
    )
    run = ran(sales)
    assert "job.py ended with status 1; its last line: ***" in run.failure
    assert "token is ***" in run.text
    assert "s3cret-token" not in run.text


def test_a_secret_that_is_not_set_is_asked_for_before_anything_runs(script, refusal) -> None:
    assert "its script needs the secret SHOP_TOKEN; set that variable" in refusal(script("0/0", secrets=["SHOP_TOKEN"]))


def test_a_script_that_fails_says_its_last_line_and_nothing_is_stored(script, ran) -> None:
    sales = script(WRITES + '\nprint("reading beans")\nraise ValueError("no beans")')
    run = ran(sales)
    assert run.failure == "shop/sales: job.py ended with status 1; its last line: ValueError: no beans; nothing was stored"
    assert "reading beans" in run.text
    assert sales.history().versions() == []


def test_a_script_that_hangs_is_stopped_with_all_it_has_started(script, tmp_path: Path, refusal) -> None:
    child = tmp_path / "child"
    text = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({str(child)!r}, "w").write(str(child.pid))
print("waiting for the bank", flush=True)
time.sleep(60)
"""
    said = refusal(script(text, timeout=timedelta(seconds=1.5)))
    assert (
        said == "shop/sales: job.py did not end within 1.5 seconds and was stopped; its last line: waiting for the bank; nothing was stored"
    )
    assert not alive(int(child.read_text()))


def test_a_script_that_ignores_being_stopped_is_killed(script, monkeypatch: pytest.MonkeyPatch, refusal) -> None:
    monkeypatch.setattr(process, "_PATIENCE", 0.3)
    text = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('no', flush=True)\ntime.sleep(60)"
    assert "was stopped; its last line: no" in refusal(script(text, timeout=timedelta(seconds=1)))


def test_what_a_script_leaves_running_is_ended_with_it(script, tmp_path: Path, ran) -> None:
    child = tmp_path / "child"
    text = (
        WRITES
        + f"""
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({str(child)!r}, "w").write(str(left.pid))
"""
    )
    assert ran(script(text)).success
    assert not alive(int(child.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is held on Linux only")
def test_a_script_that_outgrows_its_memory_is_told_so(script, refusal) -> None:
    said = refusal(script("x = bytearray(2_000_000_000)", memory="256Mi"))
    assert said == "shop/sales: job.py outgrew its memory of 256 MiB; its last line: MemoryError; nothing was stored"


def test_a_script_killed_from_outside_has_probably_outgrown_the_machines(script, refusal) -> None:
    said = refusal(script("import os, signal\nprint('eating', flush=True)\nos.kill(os.getpid(), signal.SIGKILL)"))
    assert said == "shop/sales: job.py outgrew its memory; its last line: eating; nothing was stored"


def test_a_flood_of_output_is_passed_on_in_bounded_lines(script) -> None:
    ended = process.run([sys.executable, "-c", "print('x' * 1_000_000); print('end')"], Path(), dict(os.environ), say=lambda _: None)
    assert ended.last == "end"
    assert max(map(len, ended.lines)) <= process.LONGEST_LINE
    assert len(ended.lines) <= process.KEPT_LINES


def test_an_output_that_leads_out_of_the_folder_is_refused(script, product, tmp_path: Path, refusal) -> None:
    sales = script("pass", file="jobs/job.py", output="out/r.csv", schema=Text)
    (product.folder / "jobs/out").symlink_to(tmp_path)
    (tmp_path / "r.csv").write_text("Name,Amount\nx,1\n")
    assert "out/r.csv leads out of the script's folder; nothing was stored" in refusal(sales)
    assert (tmp_path / "r.csv").exists()


def test_a_script_can_speak_through_dagsters_pipes(script, ran) -> None:
    text = """
from dagster_pipes import open_dagster_pipes
import os, polars as pl
with open_dagster_pipes() as pipes:
    day = pipes.get_extra("partition")
    pl.DataFrame({"name": [day], "amount": [1]}).write_parquet(os.environ["DATAPRODUCTS_OUTPUT"])
    pipes.log.info("brewed")
    pipes.report_asset_materialization(metadata={"cups": 3})
"""
    run = ran(script(text, partitions=DAYS), "2026-11-03")
    assert run.success
    assert "brewed" in run.text
    told = run.events["shop/sales", "2026-11-03"]
    assert told["cups"] == 3
    assert told["dagster/partition_row_count"] == 1  # ours to say, whatever the script reports
    assert dp.read("shop/sales")["name"].tolist() == ["2026-11-03"]


def test_a_notebook_gets_parameters_and_hands_over_a_file(script, ran) -> None:
    cells = [
        ("parameters", "partition = output = ''"),
        ("", "import polars as pl\npl.DataFrame({'name': [partition], 'amount': [1]}).write_parquet(output)"),
    ]
    text = json.dumps(
        {
            "cells": [
                {
                    "cell_type": "code",
                    "metadata": {"tags": [tag] if tag else []},
                    "source": source,
                    "outputs": [],
                    "execution_count": None,
                    "id": f"c{n}",
                }
                for n, (tag, source) in enumerate(cells)
            ],
            "metadata": {"kernelspec": {"name": "of-another-machine", "display_name": "x"}, "language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )
    sales = script(text, file="job.ipynb", partitions=DAYS)
    run = ran(sales, "2026-11-03")
    assert run.success, run.failure
    assert dp.read("shop/sales")["name"].tolist() == ["2026-11-03"]


def test_a_quarto_document_is_rendered(script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran) -> None:
    quarto = tmp_path / "bin" / "quarto"
    quarto.parent.mkdir()
    quarto.write_text('#!/bin/sh\necho "$1 $(basename $2)"\nprintf "Name,Amount\\na,1\\n" > "$DATAPRODUCTS_OUTPUT"\n')
    quarto.chmod(0o755)
    monkeypatch.setenv("PATH", f"{quarto.parent}:{os.environ['PATH']}")
    run = ran(script("---\ntitle: x\n---\n", file="report.qmd", output="r.csv", schema=Text))
    assert run.success, run.failure
    assert "render report.qmd" in run.text


def test_a_program_that_is_not_installed_is_named(script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refusal) -> None:
    sales = script("1", file="job.R", output="r.csv", schema=Text)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Rscript, which runs job.R, is not installed" in refusal(sales)


# --- repositories and requirements ---


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path / "upstream"
    (folder / "jobs").mkdir(parents=True)
    (folder / "jobs/job.py").write_text(WRITES)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    commit(folder, "first")
    git(folder, "tag", "v1")
    return folder


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Team", "-c", "user.email=team@example.com"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def test_a_script_of_a_repository_runs_at_its_ref_and_the_commit_is_kept(product, repository: Path, ran) -> None:
    first = git(repository, "rev-parse", "HEAD")
    (repository / "jobs/job.py").write_text(WRITES.replace('"b"', '"newer"'))
    second = commit(repository, "second")
    options: dict[str, Any] = {"schema": Sale, "key": "name", "repository": str(repository)}
    tagged = product.script_dataset("jobs/job.py", name="tagged", ref="v1", **options)
    branch = product.script_dataset("jobs/job.py", name="branch", **options)
    for dataset, sha, name in ((tagged, first, "b"), (branch, second, "newer")):
        run = ran(dataset)
        assert run.success, run.failure
        assert run.events[dataset.contract.dataset, None]["commit"] == sha
        assert dp.read(dataset.contract.dataset)["name"].tolist() == ["a", name]
    third = WRITES.replace('"b"', '"newest"')
    (repository / "jobs/job.py").write_text(third)
    commit(repository, "third")
    assert ran(branch).success
    assert dp.read("shop/branch")["name"].tolist() == ["a", "newest"]


@pytest.mark.parametrize(
    ("file", "ref", "said"),
    [("jobs/job.py", "v9", "git cannot get it from"), ("jobs/none.py", "main", "has no file jobs/none.py at main")],
)
def test_what_a_repository_does_not_have_is_told(product, repository: Path, file: str, ref: str, said: str, refusal) -> None:
    sales = product.script_dataset(file, schema=Sale, key="name", name="sales", repository=str(repository), ref=ref)
    assert said in refusal(sales)


def test_requirements_are_installed_into_an_environment_of_the_scripts_own(script, product, ran) -> None:
    wheel(product.folder / "beans-1.0-py3-none-any.whl", "beans", "AMOUNT = 12\n")
    text = 'import beans, os, sys\nopen(os.environ["DATAPRODUCTS_OUTPUT"], "w").write(f"Name,Amount\\n{sys.prefix},{beans.AMOUNT}\\n")\n'
    (product.folder / "requirements.txt").write_text("./beans-1.0-py3-none-any.whl\n")
    sales = script(text, requirements="requirements.txt", output="r.csv", schema=Text)
    run = ran(sales)
    assert run.success, run.failure
    assert "installing requirements.txt" in run.text
    (row,) = dp.read("shop/sales").to_dict("records")
    assert row["amount"] == 12
    assert "/scripts/environments/" in row["name"]
    again = ran(sales)
    assert again.success
    assert "installing" not in again.text


def test_requirements_that_cannot_be_installed_are_told(script, product, refusal) -> None:
    (product.folder / "requirements.txt").write_text("./not-there-1.0-py3-none-any.whl\n")
    assert "requirements.txt cannot be installed" in refusal(script(WRITES, requirements="requirements.txt"))


def wheel(path: Path, name: str, code: str) -> None:
    """A package as small as can be."""
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(f"{name}.py", code)
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")


# --- declarations ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"file": "nowhere.py"}, "there is no file shop/nowhere.py"),
        ({"file": "job.exe"}, "is of no kind that is run; it ends with .py, .ipynb, .qmd, .sh, .r"),
        ({"file": "../job.py"}, "'../job.py' leads elsewhere"),
        ({"output": "/tmp/x.csv"}, "'/tmp/x.csv' leads elsewhere"),
        ({"output": "x.bin"}, "whose name says not what it is"),
        ({"output": "x.csv"}, "hands over text, and column 'amount' is Int64; give the columns source="),
        ({"requirements": "none.txt"}, "there is no file shop/none.txt"),
        ({"repository": "ext::sh -c id"}, "is no address of a git repository"),
        ({"repository": "--upload-pack=id"}, "is no address of a git repository"),
        ({"repository": "https://me:secret@example.com/x.git"}, "the address of https://example.com/x.git holds a password"),
        ({"repository": "https://example.com/x.git", "ref": "--help"}, "'--help' is no branch, tag or commit"),
        ({"memory": "2GB"}, "'2GB' is no amount of memory; write it as 512Mi or 2Gi"),
        ({"secrets": ["not a name"]}, "'not a name' is no variable it can be given"),
        ({"environment": {"DATAPRODUCTS_OUTPUT": "x"}}, "'DATAPRODUCTS_OUTPUT' is no variable it can be given"),
    ],
)
def test_what_cannot_be_run_is_refused_where_it_is_declared(product, options: dict[str, Any], said: str) -> None:
    (product.folder / "job.py").write_text(WRITES)
    file = options.pop("file", "job.py")
    with pytest.raises(DeclarationError) as refused:
        product.script_dataset(file, schema=Sale, key="name", name="sales", **options)
    assert said in str(refused.value)
    assert "secret@" not in str(refused.value)


def test_another_edition_of_a_script_has_another_code_version(script, product) -> None:
    first = script(WRITES)
    (product.folder / "job.py").write_text(WRITES + "\n# changed\n")
    other = product.script_dataset("job.py", schema=Sale, key="name", name="again")
    assert first.declaration.code_version.split(".")[-1] != other.declaration.code_version.split(".")[-1]


def alive(pid: int) -> bool:
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return False
        if state == "Z":
            return False
        time.sleep(0.05)
    return True
