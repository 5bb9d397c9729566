"""The packages of a code location, `assets` and `resources`: those of the working directory, before any that are installed."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

from dataproducts.errors import ConfigurationError


def assets() -> ModuleType:
    """The package that holds the products. Raises ConfigurationError where there is none."""
    try:
        found = _package("assets")
    except ModuleNotFoundError as error:
        if error.name != "assets":
            raise
        raise ConfigurationError(nowhere()) from None
    assert found is not None  # a folder without it has no `assets`
    return found


def resources(environment: str) -> ModuleType | None:
    """The module of an environment; None for a location without resources. Raises ConfigurationError where it has only others."""
    try:
        if _package("resources") is None:
            return None
        return import_module(f"resources.{environment}")
    except ModuleNotFoundError as error:
        if error.name == "resources":
            return None
        if error.name != f"resources.{environment}":
            raise
        raise ConfigurationError(
            f"there is no resources/{environment}.py, and DATAPRODUCTS_ENV is {environment}; write one with a function resources(), "
            "or choose another environment"
        ) from None


def nowhere() -> str:
    """The sentence for a folder without products."""
    return f"there is no `assets` folder in {Path.cwd()}; go to where the products lie, or begin one with `dataproducts new PRODUCT`"


def _package(name: str) -> ModuleType | None:
    """None where the working directory has `assets` and not this one: another location's is not for its products."""
    here = Path.cwd()
    if str(here) not in sys.path:
        sys.path.insert(0, str(here))
    if not (here / "assets").is_dir():
        return import_module(name)
    if not (here / name).is_dir():
        return None
    found = import_module(name)
    if not (here / name / "__init__.py").is_file() and str(here / name) not in list(found.__path__):
        raise ConfigurationError(
            f"{here / name} has no __init__.py, so Python takes {next(iter(found.__path__))} instead; make an empty one in the first"
        )
    return found
