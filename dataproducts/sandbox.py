"""Synthetic upstreams for the laptop: what a product's `sandbox` offers, and how `up` finds and runs them."""

from __future__ import annotations

import os
import pkgutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol, runtime_checkable

from dataproducts import code_location


@runtime_checkable
class Upstream(Protocol):
    """A synthetic source with a clock that can be moved a day at a time."""

    def start(self) -> None:
        """Begin to answer."""

    def stop(self) -> None:
        """Stop answering."""

    def variables(self, first_day: date) -> dict[str, str]:
        """Environment variables that point the product here, for a history that begins on `first_day`."""

    def travel(self, day: date | None) -> None:
        """Show the world of that day; None follows the real clock."""

    @property
    def day(self) -> date:
        """The day shown."""


@contextmanager
def upstreams(first_day: date) -> Iterator[list[Upstream]]:
    """Run the sandbox of every product whose source is not set already, and point the environment at them.

    A product offers one by an `upstream()` in its `sandbox`; sources that the environment names are left alone.
    """
    with ExitStack() as stack:
        running: list[Upstream] = []
        for package in pkgutil.iter_modules(code_location.assets().__path__):
            name = f"assets.{package.name}.sandbox"
            if not package.ispkg or find_spec(name) is None:
                continue
            upstream: Upstream = import_module(name).upstream()
            variables = upstream.variables(first_day)
            if all(variable in os.environ for variable in variables):
                continue
            upstream.start()
            stack.callback(upstream.stop)
            for variable, value in variables.items():
                os.environ.setdefault(variable, value)
            running.append(upstream)
        yield running
