"""`dataproducts init`: a code location of a team's own, which runs and tests from the built package outside this repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from dataproducts.cli import cli
from dataproducts.scaffold import PATTERNS

ROOT = Path(__file__).parents[2]


def init(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["init", *arguments])
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the built wheel and nothing of this repository; what the wheel needs is borrowed."""
    built = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False)
    own = next(environment.glob("lib/python*/site-packages"))
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        wheel.extractall(own)
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return environment / "bin" / "python"


@pytest.mark.skipif(not os.environ.get("CI"), reason="builds a wheel and a week of history, which takes a minute: set CI=1")
def test_a_location_runs_and_tests_from_the_built_wheel(installed: Path, tmp_path: Path) -> None:
    def run(*arguments: str, within: Path) -> subprocess.CompletedProcess[str]:
        ours = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "DATAPRODUCTS_HOME")}
        try:
            return subprocess.run([str(installed), "-m", *arguments], cwd=within, env=ours, capture_output=True, text=True, timeout=600)
        except subprocess.TimeoutExpired as late:
            pytest.fail(f"{arguments} took more than ten minutes; it said: {late.stdout!r} {late.stderr!r}")

    where = run("dataproducts.scaffold", within=tmp_path)
    assert where.returncode == 0, where.stderr
    made = run("dataproducts", "init", "Our Products", within=tmp_path)
    assert made.returncode == 0, made.stderr
    folder = tmp_path / "Our Products"
    assert (folder / "assets/our_products/product.yaml").is_file()
    second = run("dataproducts", "new", "orders", "--pattern", "kafka", within=folder)
    assert second.returncode == 0, second.stderr
    third = run("dataproducts", "new", "library", "--pattern", "complete", within=folder)
    assert third.returncode == 0, third.stderr
    tested = run("pytest", within=folder)
    assert "4 passed" in tested.stdout, tested.stdout + tested.stderr
    (folder / ".dataproducts").mkdir()
    (folder / ".dataproducts/first_day").write_text(str(date.today() - timedelta(days=1)))  # a night instead of seven
    up = run("dataproducts", "up", "--once", within=folder)
    assert up.returncode == 0, up.stderr
    assert "0 behind, 0 missing" in up.stdout
    read = run("dataproducts", "read", "orders/sales", within=folder)
    assert "Vestly" in read.stdout, read.stderr


def test_a_location_has_the_shape_of_any_other(tmp_path: Path) -> None:
    status, said = init(str(tmp_path / "coffee"))
    assert status == 0
    found = {str(p.relative_to(tmp_path / "coffee")) for p in (tmp_path / "coffee").rglob("*") if p.is_file()}
    assert {"pyproject.toml", "Makefile", "README.md", "workspace.yaml", ".gitignore", "resources/local.py"} < found
    assert {"assets/coffee/product.yaml", "assets/coffee/datasets.py", "tests/test_coffee.py"} < found
    assert said.endswith("make up\n  make test\n")
    assert 'name = "coffee"' in (tmp_path / "coffee/pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("origin", "asked_for"),
    [
        (None, "dataproducts[examples]>=9.9"),
        ({"url": "file:///src/kit", "dir_info": {"editable": True}}, "dataproducts[examples] @ file:///src/kit"),
        (
            {"url": "https://git.example.com/kit.git", "vcs_info": {"vcs": "git", "commit_id": "a1b2"}},
            "dataproducts[examples] @ git+https://git.example.com/kit.git@a1b2",
        ),
        ({"url": "file:///kit-9.9-py3-none-any.whl", "archive_info": {}}, "dataproducts[examples] @ file:///kit-9.9-py3-none-any.whl"),
    ],
)
def test_a_location_takes_the_package_from_where_it_was_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: dict[str, Any] | None, asked_for: str
) -> None:
    information = tmp_path / "dataproducts-9.9.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: dataproducts\nVersion: 9.9\n")
    if origin is not None:
        (information / "direct_url.json").write_text(json.dumps(origin))
    monkeypatch.syspath_prepend(tmp_path)
    assert init(str(tmp_path / "coffee"))[0] == 0
    assert tomllib.loads((tmp_path / "coffee/pyproject.toml").read_text())["project"]["dependencies"] == [asked_for]


def test_what_is_next_can_be_copied_whatever_the_folder_is_called(tmp_path: Path) -> None:
    said = init(str(tmp_path / "Our Products"))[1]
    assert f"  cd '{tmp_path / 'Our Products'}'\n" in said


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    status, said = init(str(tmp_path))
    assert (status, said.count("\n")) == (1, 1)
    assert "is not empty; choose another folder" in said
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_whose_name_is_none_for_a_product_asks_for_one(tmp_path: Path) -> None:
    status, said = init(str(tmp_path / "123"))
    assert status == 1
    assert "cannot be a product's name" in said
    assert not (tmp_path / "123").exists()
    assert init(str(tmp_path / "123"), "--product", "harvest")[0] == 0


@pytest.mark.parametrize("pattern", PATTERNS)
def test_templates_leave_no_word_to_be_filled_in(tmp_path: Path, pattern: str) -> None:
    init(str(tmp_path / "x"), "--product", "harvest", "--pattern", pattern)
    words = (
        "product_name",
        "PRODUCT_TITLE",
        "PRODUCT_VARIABLE",
        "FIRST_DAY",
        "FIRST_TEMPERATURE",
        "SCHEMA_FILE",
        "LOCATION_NAME",
        "KIT_REQUIREMENT",
    )
    for path in (tmp_path / "x").rglob("*"):
        if path.is_file() and path.suffix != ".json":
            assert [w for w in words if w in path.read_text()] == [], path
