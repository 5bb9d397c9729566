"""`dataproducts new`: a product that works as it stands, and nothing of anyone's overwritten."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dataproducts.cli import cli
from dataproducts.scaffold import PATTERNS
from tests.cli.conftest import Location, inside

WRITTEN = {
    "assets/__init__.py",
    "assets/product.schema.json",
    "assets/harvest/__init__.py",
    "assets/harvest/datasets.py",
    "assets/harvest/product.yaml",
    "assets/harvest/schemas.py",
    "resources/__init__.py",
    "resources/local.py",
    "tests/test_harvest.py",
    "workspace.yaml",
    ".gitignore",
}


def new(name: str, *options: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["new", name, *options])
    return result.exit_code, result.output


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


def test_a_new_product_materializes_at_once_and_its_test_passes(empty: Location) -> None:
    status, said = new("harvest")
    assert status == 0
    assert files(empty.folder) == WRITTEN
    assert "dataproducts materialize harvest/readings" in said

    with inside(empty):
        heading, made = empty.ok("materialize", "harvest/readings").splitlines()
        rows = empty.ok("read", "harvest/readings").splitlines()
    assert heading.split() == ["partition", "version", "rows", "refused", "outcome"]
    assert made.split()[1:] == ["1", "2", "0", "new"]
    assert rows[0] == "station,day,temperature"
    assert [row.split(",")[0] for row in rows[1:]] == ["Nordby", "Vestly"]

    tested = subprocess.run([sys.executable, "-m", "pytest", "-q", "tests"], cwd=empty.folder, capture_output=True, text=True)
    assert tested.returncode == 0, tested.stdout
    assert "1 passed" in tested.stdout


def test_an_author_begins_with_less_than_forty_lines_of_python(empty: Location) -> None:
    new("harvest")
    lines = [line for path in (empty.folder / "assets").rglob("*.py") for line in path.read_text().splitlines()]
    assert 0 < len(lines) < 40


@pytest.mark.parametrize("pattern", PATTERNS)
def test_what_is_written_passes_the_linter(empty: Location, pattern: str) -> None:
    new("harvest", "--pattern", pattern)
    ruff = [sys.executable, "-m", "ruff"]
    done = subprocess.run([*ruff, "check", "--isolated", "--select", "E,F,B,UP,SIM,RUF", "--line-length", "140", "."], capture_output=True)
    assert done.returncode == 0, done.stdout.decode()
    done = subprocess.run([*ruff, "format", "--isolated", "--line-length", "140", "--check", "."], capture_output=True)
    assert done.returncode == 0, done.stdout.decode()


def test_product_yaml_names_a_schema_that_is_there_and_contacts_at_example_com(empty: Location) -> None:
    new("harvest")
    path = empty.folder / "assets/harvest/product.yaml"
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.split("$schema=")[1]).resolve().is_file()
    assert "@example.com" in path.read_text()
    assert "class: none" in path.read_text()


def test_a_second_product_leaves_what_is_shared_as_it_is(empty: Location) -> None:
    new("harvest")
    (empty.folder / "workspace.yaml").write_text("# mine\n")
    (empty.folder / "resources/local.py").write_text("# mine\n")
    before = files(empty.folder)
    status, said = new("fishing")
    assert status == 0
    assert files(empty.folder) - before == {name.replace("harvest", "fishing") for name in WRITTEN if "harvest" in name}
    assert (empty.folder / "workspace.yaml").read_text() == (empty.folder / "resources/local.py").read_text() == "# mine\n"
    assert "workspace.yaml" not in said


def test_a_product_that_exists_is_refused_and_left_alone(empty: Location) -> None:
    new("harvest")
    (empty.folder / "assets/harvest/datasets.py").write_text("# mine\n")
    assert new("harvest") == (1, "error: assets/harvest exists already; choose another name, or remove it first\n")
    assert (empty.folder / "assets/harvest/datasets.py").read_text() == "# mine\n"


def test_a_test_file_of_that_name_is_not_overwritten(empty: Location) -> None:
    (empty.folder / "tests").mkdir()
    (empty.folder / "tests/test_harvest.py").write_text("# mine\n")
    status, said = new("harvest")
    assert (status, said.split(";")[0]) == (1, "error: tests/test_harvest.py exists already")
    assert files(empty.folder) == {"tests/test_harvest.py"}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Fish-Market", "for instance fish_market"),
        ("2fast", "for instance fast"),
        ("_hidden", "for instance hidden"),
        ("class", "no word of Python's"),
        ("smør", "for instance smoer"),
        ("../elsewhere", "for instance elsewhere"),
        ("a/b", "for instance a_b"),
        ("", "begins with a letter"),
        ("fish\n", "for instance fish"),
    ],
)
def test_a_name_that_is_none_is_refused_with_one_that_would_do(empty: Location, name: str, hint: str) -> None:
    status, said = new(name)
    assert (status, said.count("\n")) == (1, 1)
    assert "cannot be a product's name" in said
    assert hint in said
    assert files(empty.folder) == set()


def test_where_nothing_can_be_written_nothing_is_left_behind(empty: Location) -> None:
    (empty.folder / "resources").write_text("a file where a folder has to be")
    status, said = new("harvest")
    assert status == 1
    assert said.startswith(f"error: {empty.folder / 'resources'} cannot be written (")
    assert files(empty.folder) == {"resources"}
    (empty.folder / "resources").unlink()
    assert new("harvest")[0] == 0
