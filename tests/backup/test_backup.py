"""A backup brings back all that the catalog held, from either database to either, and is whole or refused."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dataproducts.backup import folder
from dataproducts.backup.restoring import restore
from dataproducts.backup.taking import back_up
from dataproducts.catalog import tokens
from dataproducts.catalog.database import Database
from dataproducts.catalog.export import export
from dataproducts.catalog.search.index import SearchRequest, search
from dataproducts.catalog.store import Store
from dataproducts.catalog.tables import metadata
from dataproducts.cli import cli
from dataproducts.errors import Clash, ConfigurationError
from tests.catalog.conftest import LATE
from tests.catalog.lived import exported
from tests.catalog.messages import dataset, delivery, product

ROOT = Path(__file__).parents[2]


def found(url: str, text: str) -> list[tuple[Any, ...]]:
    database = Database(url)
    try:
        with database.reading() as connection:
            page = search(connection, SearchRequest(text=text, limit=50, budget_seconds=10))
            return [(hit.id, hit.kind, dict(hit.card)) for hit in page.hits]
    finally:
        database.close()


@pytest.fixture
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """URLs of databases in which nothing is yet, by kind."""

    def made(kind: str) -> str:
        if kind == "sqlite":
            return f"sqlite:///{tmp_path / 'new' / 'catalog.db'}"
        return str(request.getfixturevalue("postgres").new())

    return made


@pytest.mark.parametrize(("first", "second"), [("sqlite", "sqlite"), ("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_what_is_restored_exports_the_same_bytes_is_found_the_same_way_and_backs_up_to_the_same_files(
    first: str, second: str, lived: str, new: Callable[[str], str], use: Callable[[str], str], tmp_path: Path
) -> None:
    if first == "postgresql":
        back_up(tmp_path / "to-move")
        source = use(new("postgresql"))
        restore(tmp_path / "to-move")
    else:
        source = lived
    made = back_up(tmp_path / "backup")
    assert {part.name.partition("/")[2].partition(".")[0] for part in made.parts if "/" in part.name} == set(metadata.tables)
    assert all(part.lines for part in made.parts if "/" in part.name)
    target = use(new(second))
    done = restore(tmp_path / "backup")
    assert done.rows == sum(part.lines for part in made.parts)
    assert exported(target) == exported(source)
    for text in ("", "salg", "sykefravar", "årlig", "dette"):
        assert found(target, text) == found(source, text), text
    assert back_up(tmp_path / "again").parts == made.parts
    Store(database := Database(target), lambda: LATE).apply([delivery(hours=950)])  # and life goes on
    database.close()


def test_a_backup_taken_while_others_write_is_the_catalog_of_one_moment(
    lived: str, new: Callable[[str], str], use: Callable[[str], str], tmp_path: Path
) -> None:
    writing, stop = Database(lived), threading.Event()
    store = Store(writing, lambda: LATE)
    store.apply([product("mill"), dataset("mill/flour")])

    def write() -> None:
        for number in range(1, 1_000):
            if stop.is_set():
                break
            store.apply([delivery("mill/flour", f"key-{number}", hours=number)])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(3):
            back_up(tmp_path / f"backup-{number}")
    finally:
        stop.set()
        writer.join()
        writing.close()
    for number in range(3):
        held = tmp_path / f"backup-{number}"
        rows = {name: list(lines_of(held, name)) for name in ("version", "partition_state", "dataset_state", "delivery")}
        mine = {name: [row for row in of if row["dataset"] == "mill/flour"] for name, of in rows.items()}
        assert len(mine["version"]) == len(mine["partition_state"]) == len(mine["delivery"])
        assert sum(row["partitions"] for row in mine["dataset_state"]) == len(mine["version"])


def lines_of(held: Path, name: str) -> Any:
    part = folder.checked(held).part(f"catalog/{name}.jsonl.gz")
    assert part is not None
    return folder.read(held, part)


@pytest.mark.parametrize("name", ["catalog/version.jsonl.gz", "erasures.jsonl.gz", "manifest.json"])
@pytest.mark.parametrize("how", ["a changed byte", "cut short", "missing"])
def test_a_damaged_file_is_named_and_nothing_is_restored(name: str, how: str, lived: str, tmp_path: Path) -> None:
    back_up(tmp_path / "backup")
    before, path = exported(lived), tmp_path / "backup" / name
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        spot = len(content) // 2
        other = bytes([content[spot] ^ 1])
        path.write_bytes(content[:spot] if how == "cut short" else content[:spot] + other + content[spot + 1 :])
    with pytest.raises(ConfigurationError) as raised:
        restore(tmp_path / "backup", replace=True)
    assert Path(name).name in str(raised.value)
    assert exported(lived) == before


def test_a_catalog_that_holds_something_is_replaced_only_when_that_is_said(lived: str, tmp_path: Path) -> None:
    back_up(tmp_path / "backup")
    was = exported(lived)
    database = Database(lived)
    Store(database, lambda: LATE).apply([product("mill"), dataset("mill/flour")])
    database.close()
    grown = exported(lived)
    with pytest.raises(Clash, match="lived.db is not empty; --replace puts the backup in its place"):
        restore(tmp_path / "backup")
    assert exported(lived) == grown
    restore(tmp_path / "backup", replace=True)
    assert exported(lived) == was
    assert found(lived, "mill") == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_catalog_that_is_served_meanwhile_shows_what_is_restored(
    kind: str, lived: str, new: Callable[[str], str], use: Callable[[str], str], tmp_path: Path
) -> None:
    back_up(tmp_path / "backup")
    served = Database(use(new(kind)))
    restore(tmp_path / "backup")
    store = Store(served, lambda: LATE)
    store.apply([product("mill"), dataset("mill/flour")])
    for _ in range(8):  # often enough that a driver remembers how it is asked
        with served.reading() as connection:
            assert "mill" in "".join(export(connection))
    restore(tmp_path / "backup", replace=True)
    for _ in range(8):
        with served.reading() as connection:
            assert "".join(export(connection)) == exported(lived)
    store.apply([product("mill")])
    with served.reading() as connection:
        assert [hit.id for hit in search(connection, SearchRequest(text="mill", limit=5, budget_seconds=10)).hits]
    served.close()


def test_a_backup_is_never_written_over(lived: str, tmp_path: Path) -> None:
    made = back_up(tmp_path / "backup")
    with pytest.raises(ConfigurationError, match="is there already, and a backup is never written over"):
        back_up(tmp_path / "backup")
    assert folder.checked(tmp_path / "backup") == made
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["backup"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"catalog": "9999"}, "is of a newer catalog, revision 9999; restore it with dataproducts 99.0"),
        ({"format": 2}, "in a newer format, 2"),
    ],
)
def test_a_backup_of_a_newer_version_is_refused_in_one_sentence(change: dict[str, Any], sentence: str, lived: str, tmp_path: Path) -> None:
    made = back_up(tmp_path / "backup")
    (tmp_path / "backup" / "manifest.json").write_text(replace(made, dataproducts="99.0", **change).text(), encoding="utf-8")
    before = exported(lived)
    with pytest.raises(ConfigurationError, match=sentence):
        restore(tmp_path / "backup", replace=True)
    assert exported(lived) == before


def test_where_the_catalog_is_a_service_it_says_where_to_run_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CATALOG_URL", "https://catalog.example.com")
    with pytest.raises(ConfigurationError, match="run this where its database is at hand, with CATALOG_DATABASE_URL"):
        back_up(tmp_path / "backup")


def test_without_a_catalog_the_registry_alone_is_kept_and_restored(home: Path, tmp_path: Path) -> None:
    made = back_up(tmp_path / "backup")
    assert (made.catalog, [part.name for part in made.parts]) == (None, ["erasures.jsonl.gz"])
    restore(tmp_path / "backup")
    assert not (home / "catalog.db").exists()


FULL = """
import resource, signal, sys
from pathlib import Path
from dataproducts.backup.restoring import restore
from dataproducts.backup.taking import back_up
from dataproducts.errors import DataProductsError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
for work in (lambda: back_up(Path(sys.argv[1], "full")), lambda: restore(Path(sys.argv[1], "backup"), replace=True)):
    try:
        work()
    except DataProductsError as error:
        print(error)
"""


def test_a_full_disk_leaves_no_backup_and_the_catalog_as_it_was(lived: str, tmp_path: Path) -> None:
    database = Database(lived)
    store = Store(database, lambda: LATE)
    for _ in range(40):
        tokens.write_down(store, "publisher", "publish", "x", secrets.token_hex(2_000))
    before = exported(lived)
    back_up(tmp_path / "backup")
    store.apply([product("mill")])
    database.compact()
    database.close()
    grown = exported(lived)
    assert grown != before
    command = [sys.executable, "-W", "ignore", "-c", FULL, str(tmp_path)]
    taking, restoring = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.splitlines()
    assert taking.endswith("audit.jsonl.gz of the backup cannot be written (File too large); make room for it, or give another folder")
    assert [path.name for path in tmp_path.iterdir() if "full" in path.name] == []
    assert restoring.startswith("the catalog's database cannot be used just now")
    assert exported(lived) == grown
    restore(tmp_path / "backup", replace=True)
    assert exported(lived) == before


def test_the_commands_say_what_they_did(lived: str, use: Callable[[str], str], tmp_path: Path) -> None:
    run = CliRunner()
    done = run.invoke(cli, ["backup", str(tmp_path / "backup")], catch_exceptions=False)
    assert done.exit_code == 0
    held = json.loads((tmp_path / "backup" / "manifest.json").read_text(encoding="utf-8"))
    assert done.stdout == f"{tmp_path / 'backup'}: {len(held['parts'])} parts, 0.0 MiB, made at {held['made_at']}\n"
    use(f"sqlite:///{tmp_path}/other.db")
    done = run.invoke(cli, ["restore", str(tmp_path / "backup")], catch_exceptions=False)
    assert done.exit_code == 0
    assert "reset the cursor of the sensor publish_metadata" in done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'backup'} of {held['made_at']} is restored: ")
    shutil.rmtree(tmp_path / "backup")
    assert run.invoke(cli, ["restore", str(tmp_path / "backup")]).exit_code == 1
