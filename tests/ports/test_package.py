"""Files as a port: each version whole and unchangeable, the newest always named, whoever dies or comes in between."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import frictionless
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts import settings
from dataproducts.contract import Contract
from dataproducts.errors import DeclarationError, PortError, PortUnavailable
from dataproducts.formats import dcat
from dataproducts.history.store import Draft
from dataproducts.ports.package import Package
from dataproducts.ports.port import Batch, Delivered
from tests.ports.buckets import bucket as bucket
from tests.ports.buckets import endpoint as endpoint
from tests.ports.packages import CONTRACT, SNAPSHOTS, Sale, commit, compare, differences, history, offered, publisher, run


@pytest.fixture
def root(home: Path) -> Path:
    return home / "packages/shop/sales"


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def newest(root: Path) -> list[str]:
    path = json.loads((root / "datapackage.json").read_text())["resources"][0]["path"]
    return [path] if isinstance(path, str) else path


def test_every_version_has_files_of_its_own_and_the_newest_are_named(root: Path) -> None:
    commit(a=[1, 2], b=[3])
    assert run() == [("a", 1), ("b", 1)]
    first = tree(root)
    commit(a=[1])
    assert run() == [("a", 2)]
    after = tree(root)
    assert {name: after[name] for name in first if "/" in name} == {name: data for name, data in first.items() if "/" in name}
    assert newest(root) == ["a/v2/sales.csv", "b/v1/sales.csv"]
    assert (root / "a/v1/sales.csv").read_text() == "_partition,id,amount\na,1,1\na,2,2\n"
    assert run() == []
    assert differences() == []


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_frictionless_finds_the_newest_and_every_version_whole(root: Path, form: Any) -> None:
    commit(a=[1, 2], b=[3])
    commit(a=[1])
    run(Package(format=form))
    for path in sorted(root.rglob("datapackage.json")):
        report = frictionless.validate(str(path))
        assert report.valid, report.to_summary()
        rows = sum(task.stats["rows"] for task in report.tasks)
        assert rows == {"sales": 2, "v2": 1}.get(path.parent.name, 2 if path.parent.parent.name == "a" else 1)
    assert differences(port=Package(format=form)) == []


def test_of_snapshots_the_newest_is_one_day(root: Path) -> None:
    commit(SNAPSHOTS, **{"2026_11_02": [1], "2026_11_01": [1, 2]})
    run(contract=SNAPSHOTS)
    assert newest(root) == ["2026-11-02/v1/sales.csv"]
    commit(SNAPSHOTS, **{"2026_11_01": [2]})  # an older day that was corrected
    assert run(contract=SNAPSHOTS) == [("2026-11-01", 2)]
    assert newest(root) == ["2026-11-02/v1/sales.csv"]
    assert differences(contract=SNAPSHOTS) == []


def test_personal_columns_stay_in_the_lake(root: Path) -> None:
    commit(a=[1])
    run()
    assert not [name for name, data in tree(root).items() if b"SECRET" in data]
    assert "Left out because they hold personal data: `buyer`." in (root / "README.md").read_text()
    run(Package(to=str(root / "own"), with_personal=True))
    assert "SECRET" in (root / "own/shop/sales/a/v1/sales.csv").read_text()


def test_a_version_that_was_emptied_is_a_file_without_rows(root: Path) -> None:
    commit(a=[1])
    commit(a=[])
    run()
    assert (root / "a/v2/sales.csv").read_text() == "_partition,id,amount\n"
    assert differences() == []


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_files_from_before_a_column_was_added_stand_apart_and_are_still_right(root: Path, form: Any) -> None:
    port = Package(format=form)
    commit(a=[1, 2], b=[3])
    run(port)
    before = tree(root)

    class Wider(Sale):
        shop: str = dp.column("Where", personal="none", nullable=True)

    wider = Contract.of(Wider, dataset="shop/sales", key="id", version="1.1.0")
    rows = {"id": [3], "amount": [3], "buyer": ["SECRET"], "shop": ["Vestly"]}
    history().commit([Draft.of("b", pl.DataFrame(rows, schema=wider.dtypes), wider)], wider)
    assert run(port, wider) == [("b", 2)]
    assert all(tree(root)[name] == data for name, data in before.items() if "/" in name)
    resources = json.loads((root / "datapackage.json").read_text())["resources"]
    assert [(one["path"], len(one["schema"]["fields"])) for one in resources] == [(f"b/v2/sales.{form}", 4), (f"a/v1/sales.{form}", 3)]
    report = frictionless.validate(str(root / "datapackage.json"))
    assert report.valid, report.to_summary()
    assert compare(port, wider).differences == ()


def test_a_key_of_any_text_is_one_folder_below_the_root(root: Path) -> None:
    keys = ["../../x", "..", ".", "a/b", "README.md", "æ|ø", "x" * 380, "ø" * 380]
    history().commit([Draft.of(key, pl.DataFrame({"id": [1], "amount": [1], "buyer": ["x"]}), CONTRACT) for key in keys], CONTRACT)
    assert len(run()) == len(keys)
    assert len([path for path in root.iterdir() if path.is_dir()]) == len(keys)
    assert [path.name for path in root.parent.iterdir()] == ["sales"]
    report = frictionless.validate(str(root / "datapackage.json"))
    assert report.valid, report.to_summary()
    assert differences() == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda root: (root / "a/v1/sales.csv").unlink(), "version 1 of partition a has lost its file a/v1/sales.csv"),
        (
            lambda root: (root / "a/v1/datapackage.json").unlink(),
            "version 1 of partition a has not arrived: a/v1/datapackage.json is not there",
        ),
        (lambda root: (root / "a/v1/sales.csv").write_text("x"), "version 1 of partition a has a file of 1 bytes, and "),
        (
            lambda root: _edit(root / "a/v1/sales.csv", "a,1,1", "a,1,2"),
            "version 1 of partition a has a file that is no longer what was written",
        ),
        (lambda root: (root / "datapackage.json").write_text("{}"), "datapackage.json does not name the newest versions that are there"),
        (lambda root: _copy(root / "a/v1", root / "a/v7"), "a/v7/datapackage.json is there, and the dataset has no such version"),
    ],
)
def test_what_was_changed_there_is_found(root: Path, damage: Any, told: str) -> None:
    commit(a=[1])
    run()
    damage(root)
    assert any(text.startswith(told) for text in differences()), differences()


def _edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target)


def test_what_has_gone_is_brought_again(root: Path) -> None:
    commit(a=[1], b=[2])
    run()
    before = tree(root)
    shutil.rmtree(root / "a")
    assert run() == [("a", 1)]
    assert tree(root) == before


def test_another_content_under_its_number_is_refused(root: Path, home: Path) -> None:
    commit(a=[1])
    run()
    shutil.rmtree(home / "lake")
    commit(a=[9])
    with pytest.raises(
        PortError, match=r"has another content as version 1 of partition a, so the dataset is not the one that was published"
    ):
        _deliver_all()


def _deliver_all() -> None:
    with Package().open(offered(), history(), {}, "run") as session:
        session.prepare()
        session.deliver(Batch(1, tuple(history().versions())), Delivered())


def test_a_folder_of_another_dataset_is_refused(root: Path) -> None:
    commit(a=[1])
    root.mkdir(parents=True)
    (root / "datapackage.json").write_text('{"name": "weather.readings"}')
    with pytest.raises(PortError, match="is of 'weather.readings', another dataset; declare another folder"):
        run()


def test_a_full_disk_leaves_the_batch_to_the_next_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(a=[1])

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(PortUnavailable, match=r"cannot be read or written \(No space left on device\); see to it and run again"):
        run()
    monkeypatch.undo()
    assert not list(root.rglob("*.json"))
    monkeypatch.setenv("DATAPRODUCTS_HOME", str(root.parents[2]))
    assert run() == [("a", 1)]
    assert differences() == []


def test_declarations_that_cannot_be_are_refused() -> None:
    with pytest.raises(DeclarationError, match="intervals follow from all partitions together"):
        Package().check(offered(replace(CONTRACT, kind="history")))
    with pytest.raises(DeclarationError, match="format is 'xlsx'; a package is csv or parquet"):
        Package(format="xlsx").check(offered())  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="is no address on the web"):
        Package(url="files/here").check(offered())


def test_the_catalog_is_told_where_the_files_are(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = Package(url="https://files.example.com/out").facts(offered())
    assert (facts.kind, facts.address) == ("file", "https://files.example.com/out/shop/sales/datapackage.json")
    assert facts.facts == {"format": "CSV", "each version": "<partition>/v<version>/sales.csv", "left out": "buyer"}
    assert dcat.file_type(facts) == "CSV"
    assert Package().facts(offered()).address == f"{home}/packages/shop/sales/datapackage.json"
    assert Package().idle() is None
    monkeypatch.setenv("DATAPRODUCTS_ENV", "gcp")
    assert "DATAPRODUCTS_PACKAGES is not set" in str(Package().idle())
    monkeypatch.setenv("DATAPRODUCTS_PACKAGES", "gs://packages")
    assert Package().idle() is None
    assert Package().facts(offered()).address == "gs://packages/shop/sales/datapackage.json"


def test_publishers_at_once_bring_each_version_once(home: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataproducts.ports.package.session.MOST_VERSIONS", 3)
    commit(**{f"p{i:02}": [i] for i in range(12)})
    spawn = multiprocessing.get_context("spawn")
    publishers = [spawn.Process(target=publisher, args=(str(home),)) for _ in range(2)]
    for one in publishers:
        one.start()
    for one in publishers:
        one.join()
    assert [one.exitcode for one in publishers] == [0, 0]
    assert len(newest(root)) == 12
    assert differences() == []


_DYING = """
import os, sys
from pathlib import Path
from tests.ports import packages as t
left = int(sys.argv[1])
real = Path.replace
def replace(self, target):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    return real(self, target)
Path.replace = replace
t.run()
"""


def test_a_publisher_killed_at_any_write_is_finished_by_the_next(root: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    commit(a=[1, 2], b=[3])
    writes = 7  # a file and a descriptor of each version, then README, LICENSE and the descriptor of what is current
    for number in rng.sample(range(writes), min(writes, 10, int(os.environ.get("CRASH_SEEDS", "2")))):
        died = subprocess.run([sys.executable, "-c", _DYING, str(number)], capture_output=True, text=True, env={**os.environ})
        assert died.returncode == 9, f"after {number}: {died.stderr}"
        if (root / "datapackage.json").exists():
            assert all((root / path).exists() for path in newest(root))
        run()
        assert differences() == []
        assert newest(root) == ["a/v1/sales.csv", "b/v1/sales.csv"]
        _begin_anew(root)


def _begin_anew(root: Path) -> None:
    shutil.rmtree(root)
    shutil.rmtree(Path(settings.lake()) / "shop/sales/_ports")


def test_files_are_published_to_an_object_store(bucket: str, root: Path, tmp_path: Path) -> None:
    commit(a=[1, 2], b=[3])
    port = Package(to=bucket, format="parquet")
    assert run(port) == [("a", 1), ("b", 1)]
    commit(a=[1])
    assert run(port) == [("a", 2)]
    assert run(port) == []
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    keys = {one["Key"] for one in client.list_objects_v2(Bucket="files")["Contents"]}
    assert {
        "packages/shop/sales/datapackage.json",
        "packages/shop/sales/a/v2/sales.parquet",
        "packages/shop/sales/a/v1/sales.parquet",
    } <= keys
    for key in keys:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        client.download_file("files", key, str(tmp_path / key))
    report = frictionless.validate(str(tmp_path / "packages/shop/sales/datapackage.json"))
    assert report.valid, report.to_summary()
    assert differences(port=port) == []
    client.put_object(Bucket="files", Key="packages/shop/sales/a/v2/sales.parquet", Body=b"PAR1")
    assert any("has a file of 4 bytes" in text for text in differences(port=port))


def test_a_bucket_that_is_not_there_is_one_sentence(bucket: str) -> None:
    commit(a=[1])
    with pytest.raises(
        PortUnavailable, match=r"the files at s3://none/x/shop/sales cannot be read or written \(.+\); see to it and run again"
    ):
        run(Package(to="s3://none/x"))


def test_it_is_an_asset_that_follows_its_dataset(product: Any, materialize: Any, home: Path, instance: Any) -> None:
    import dagster as dg

    class Town(pa.DataFrameModel):
        """A town."""

        town: str = dp.column("Its name")

    @product.dataset(schema=Town, key="town", ports=[dp.Package()])
    def towns() -> pl.DataFrame:
        return pl.DataFrame({"town": ["Vestly"]})

    (port,) = product.ports["towns"]
    result = dg.materialize([towns, port], instance=instance)
    assert result.success
    assert [(check.check_name, check.passed) for check in result.get_asset_check_evaluations() if check.asset_key == port.key] == [
        ("arrived", True)
    ]
    assert (home / "packages/shop/towns/-/v1/towns.csv").read_text() == "town\nVestly\n"
    comparison, waiting, _ = port.compare({}, True)
    assert (comparison.versions, comparison.rows, comparison.differences, list(waiting)) == (1, 1, (), [])
