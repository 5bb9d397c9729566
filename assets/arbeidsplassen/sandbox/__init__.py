"""A synthetic stream of job ads with the real wire shape, for the laptop and the tests: deterministic, all invented.

Employers are the sub-units of the synthetic Enhetsregisteret, so that organization numbers are found there; people, telephones,
domains and texts are made up, and occupations and municipalities are the public ones.
"""

from assets.arbeidsplassen.sandbox.stream import TOPIC, Sandbox
from assets.arbeidsplassen.sandbox.world import Event, World

__all__ = ["TOPIC", "Event", "Sandbox", "World", "upstream"]


def upstream() -> Sandbox:
    """The product's synthetic source, for `dataproducts up`."""
    return Sandbox()
