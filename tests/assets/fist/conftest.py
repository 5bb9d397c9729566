"""The PostgreSQL server of the input tests, for these."""

from tests.ports.inputs.conftest import postgres  # noqa: F401
