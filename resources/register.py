"""Enhetsregisteret as a resource: the real register where ENHETSREGISTERET_URL says so, else the sandbox."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache

import dagster as dg

from assets.enhetsregisteret.register import VARIABLE, Register
from dataproducts import settings


class RegisterResource(dg.ConfigurableResource[Register]):
    """A client of the register. `sandbox` allows the synthetic one when no URL is given."""

    sandbox: bool = True

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator[Register, None, None]:
        """Open a client for one run or tick."""
        with Register(self.base_url()) as register:
            yield register

    def base_url(self) -> str:
        """The register's URL up to and including `/enhetsregisteret/api`."""
        url = os.environ.get(VARIABLE, "")
        if url:
            return url
        if not self.sandbox:
            return settings.required(VARIABLE, "the register's address, up to and including /enhetsregisteret/api")
        return _sandbox_url()


@cache
def _sandbox_url() -> str:
    """A sandbox register in this process, for as long as the process lives."""
    from assets.enhetsregisteret.sandbox import Sandbox

    sandbox = Sandbox()
    sandbox.start()
    return sandbox.url
