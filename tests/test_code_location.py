"""Whose `assets` and `resources` are taken: those of the working directory, whatever else is installed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from dataproducts import code_location
from dataproducts.definitions import resources
from dataproducts.errors import ConfigurationError
from dataproducts.sandbox import upstreams

SANDBOX = """\
class Upstream:
    def variables(self, first_day):
        return {"CODE_LOCATION_SANDBOX": str(first_day)}

    def start(self):
        raise AssertionError("the source of another location")

    stop = travel = start


upstream = Upstream
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory beside an installed location, in a process that has loaded neither."""

    def loaded() -> list[str]:
        return [name for name in sys.modules if name.split(".")[0] in ("assets", "resources")]

    others = {name: sys.modules.pop(name) for name in loaded()}
    installed = tmp_path / "installed"
    for name, text in {
        "assets/__init__.py": "",
        "assets/other/__init__.py": "",
        "assets/other/sandbox.py": SANDBOX,
        "resources/__init__.py": "",
        "resources/local.py": "def resources():\n    return {'register': object()}\n",
    }.items():
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).write_text(text)
    folder = tmp_path / "mine"
    (folder / "assets").mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [str(installed), *sys.path])
    importlib.invalidate_caches()
    yield folder
    for name in loaded():
        del sys.modules[name]
    sys.modules.update(others)


@pytest.fixture
def made(here: Path) -> Callable[[str, str], None]:
    """Write a file of the working directory."""

    def write(name: str, text: str = "") -> None:
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
        importlib.invalidate_caches()

    return write


def test_products_are_those_of_the_working_directory(here: Path, made: Callable[..., None]) -> None:
    made("assets/__init__.py")
    assert list(code_location.assets().__path__) == [str(here / "assets")]


def test_a_location_without_resources_has_none_of_another_location(made: Callable[..., None]) -> None:
    made("assets/__init__.py")
    assert resources() == {}
    made("resources/__init__.py")
    made("resources/local.py", "def resources():\n    return {'machine': 1}\n")
    assert resources() == {"machine": 1}


def test_the_sources_of_another_location_are_not_started(made: Callable[..., None]) -> None:
    made("assets/__init__.py")
    with upstreams(date(2026, 11, 22)) as running:
        assert running == []


def test_a_folder_that_python_does_not_take_for_a_package_is_named(here: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"mine/assets has no __init__\.py, so Python takes .*installed/assets instead; make an empty"
    ):
        code_location.assets()


def test_an_environment_without_its_resources_is_named(made: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    made("assets/__init__.py")
    made("resources/__init__.py")
    monkeypatch.setenv("DATAPRODUCTS_ENV", "gcp")
    with pytest.raises(ConfigurationError, match=r"there is no resources/gcp\.py, and DATAPRODUCTS_ENV is gcp; write one"):
        resources()
