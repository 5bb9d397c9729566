"""After an erasure no published file holds who was erased, the descriptors tell what is there now, and no reader meets half of it."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
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
from dataproducts.history.store import Draft
from dataproducts.ports.package import Package
from tests.erasure.searching import found_in
from tests.ports.buckets import bucket as bucket
from tests.ports.buckets import endpoint as endpoint
from tests.ports.packages import Sale, commit, compare, differences, erase, forget, history, run

GONE = 90917731


@pytest.fixture
def root(home: Path) -> Path:
    return home / "packages/shop/sales"


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def valid(root: Path) -> bool:
    return all(frictionless.validate(str(path)).valid for path in root.rglob("datapackage.json"))


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_files_of_every_version_lose_the_row_and_the_others_stay_as_they_were(root: Path, form: Any) -> None:
    port = Package(format=form)
    commit(a=[1, GONE], b=[3], c=[GONE])
    run(port)
    commit(a=[1, 2, GONE])
    run(port)
    before = tree(root)
    assert len(found_in(root, str(GONE))) == 3
    forget(GONE)
    assert erase(port) == 3
    assert found_in(root, str(GONE)) == []
    after = tree(root)
    assert {name for name in before if before[name] != after[name] and "/" in name} == {
        f"{folder}/{file}" for folder in ("a/v1", "a/v2", "c/v1") for file in (f"sales.{form}", "datapackage.json")
    }
    newest = json.loads(after["datapackage.json"])["resources"]
    assert sum(one["rowCount"] for one in newest) == 3
    assert compare(port).differences == ()
    assert valid(root)
    assert erase(port) == 0
    assert tree(root) == after
    assert run(port) == []


def test_files_of_an_older_major_and_of_another_format_are_reached_with_the_columns_they_have(root: Path) -> None:
    commit(a=[1, GONE])
    run(Package(format="parquet"))

    class Renamed(pa.DataFrameModel):
        """What was sold."""

        id: int = dp.column("Number of the receipt", personal="none")
        price: int = dp.column("What it cost", personal="none", nullable=True)

    newer = Contract.of(Renamed, dataset="shop/sales", key="id", version="2.0.0")
    history().commit([Draft.of("a", pl.DataFrame({"id": [GONE, 2], "price": [1, 2]}), newer)], newer)
    run(contract=newer)
    assert len(found_in(root, str(GONE))) == 2
    forget(GONE)
    assert erase(contract=newer) == 2
    assert found_in(root, str(GONE)) == []
    assert pl.read_parquet(root / "a/v1/sales.parquet").rows() == [("a", 1, 1)]
    assert (root / "a/v2/sales.csv").read_text() == "_partition,id,price\na,2,2\n"
    assert valid(root)


def test_what_a_dead_publisher_left_beside_the_files_goes_too(root: Path) -> None:
    commit(a=[1, GONE], b=[GONE])
    run()
    (root / "a/v1/.sales.csv.0a1b2c3d").write_text(f"a,{GONE},")
    (root / "b/v1/datapackage.json").unlink()  # its file came, and then it died
    forget(GONE)
    erase()
    assert found_in(root, str(GONE)) == []
    run()
    assert found_in(root, str(GONE)) == []
    assert differences() == []


def test_a_batch_that_was_begun_before_the_erasure_ends_after_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row is erased, everywhere, while a publisher writes its file."""
    from dataproducts.ports.package.place import _Folder

    commit(a=[1, GONE])
    real, erased = _Folder.bring, []

    def bring(self: _Folder, path: str, source: Path) -> None:
        if not erased:
            erased.append(path)
            forget(GONE)
            erase()
        real(self, path, source)

    monkeypatch.setattr(_Folder, "bring", bring)
    run()
    assert erased == ["a/v1/sales.csv"]
    assert found_in(root, str(GONE)) == []
    assert differences() == []
    assert valid(root)


def test_columns_that_came_later_do_not_come_to_files_that_are_written_anew(root: Path) -> None:
    commit(a=[1, GONE], b=[3])
    run()

    class Wider(Sale):
        shop: str = dp.column("Where", personal="none", nullable=True)

    wider = Contract.of(Wider, dataset="shop/sales", key="id", version="1.1.0")
    rows = {"id": [3, GONE], "amount": [3, 4], "buyer": ["SECRET"] * 2, "shop": ["Vestly"] * 2}
    history().commit([Draft.of("b", pl.DataFrame(rows, schema=wider.dtypes), wider)], wider)
    run(contract=wider)
    forget(GONE)
    assert erase(contract=wider) == 2
    assert (root / "a/v1/sales.csv").read_text() == "_partition,id,amount\na,1,1\n"
    assert (root / "b/v2/sales.csv").read_text() == "_partition,id,amount,shop\nb,3,3,Vestly\n"
    assert compare(contract=wider).differences == ()


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
t.erase()
"""


def test_an_erasure_killed_at_any_write_is_finished_by_the_next(root: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    commit(a=[1, GONE], b=[3, GONE])
    run()
    forget(GONE)
    before = root.parent / "before"
    shutil.copytree(root, before)
    writes = 7  # a file and a descriptor of each version, then README, LICENSE and the descriptor of what is current
    for number in rng.sample(range(writes), min(writes, 10, int(os.environ.get("CRASH_SEEDS", "2")))):
        died = subprocess.run([sys.executable, "-c", _DYING, str(number)], capture_output=True, text=True, env={**os.environ})
        assert died.returncode == 9, f"after {number}: {died.stderr}"
        erase()
        assert found_in(root, str(GONE)) == []
        assert differences() == []
        assert valid(root)
        shutil.rmtree(root)
        shutil.copytree(before, root)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_files_in_an_object_store_are_written_anew_too(bucket: str, home: Path, tmp_path: Path, form: Any) -> None:
    port = Package(to=bucket, format=form)
    commit(a=[1, GONE], b=[3])
    run(port)
    commit(a=[GONE])
    run(port)
    forget(GONE)
    assert erase(port) == 2
    client = boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    for one in client.list_objects_v2(Bucket="files")["Contents"]:
        path = tmp_path / "there" / one["Key"]
        path.parent.mkdir(parents=True, exist_ok=True)
        client.download_file("files", one["Key"], str(path))
    assert found_in(tmp_path / "there", str(GONE)) == []
    assert found_in(Path(settings.lake()), str(GONE)) == []
    assert valid(tmp_path / "there")
    assert differences(port=port) == []
    assert erase(port) == 0
