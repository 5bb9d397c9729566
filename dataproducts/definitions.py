"""The composition root: the products under `assets/`, on the resources of the environment. Loading it does no I/O of theirs."""

from __future__ import annotations

import gc
import os
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import dagster as dg

from dataproducts import settings
from dataproducts.product import DataProduct

_NOT_DEFINITIONS = {"sandbox", "examples", "schemas"}


def products() -> dict[str, DataProduct]:
    """Every product of this code location, by name: the DataProducts that the packages of `assets` define."""
    _see_working_directory()
    found: dict[str, DataProduct] = {}
    for package in pkgutil.iter_modules(import_module("assets").__path__):
        if not package.ispkg:
            continue
        root = import_module(f"assets.{package.name}")
        modules = [m.name for m in pkgutil.iter_modules(root.__path__) if m.name not in _NOT_DEFINITIONS]
        for module in [root, *(import_module(f"assets.{package.name}.{name}") for name in sorted(modules))]:
            found.update({v.name: v for v in vars(module).values() if isinstance(v, DataProduct)})
    return found


def resources() -> dict[str, Any]:
    """The resources of the environment in use, from `resources/<DATAPRODUCTS_ENV>.py`."""
    _see_working_directory()
    return dict(import_module(f"resources.{settings.environment()}").resources())


def build_defs(overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """Definitions of the whole location; `overrides` replace resources, for tests."""
    with _nothing_to_collect():
        at_hand = {**resources(), **(overrides or {})}
        return dg.Definitions.merge(*(p.definitions() for p in products().values()), dg.Definitions(resources=at_hand))


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    return build_defs()


@contextmanager
def _nothing_to_collect() -> Iterator[None]:
    """Definitions live as long as the process; to look for garbage among them takes a fifth of the time a large location loads."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()


def _see_working_directory() -> None:
    """A repository's own `assets` and `resources` lie where the command is run."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
