"""A synthetic Enhetsregisteret with the real wire shape, for the laptop and the tests: deterministic, all invented.

Organization numbers are valid (mod 11) and lie in 80xxxxxxx, below the lowest number the real register hands out;
names, people, streets, telephones and domains are made up, code lists and municipalities are the public ones.
"""

from assets.enhetsregisteret.sandbox.server import Fault, Sandbox
from assets.enhetsregisteret.sandbox.world import World, built_at

__all__ = ["Fault", "Sandbox", "World", "built_at", "upstream"]


def upstream() -> Sandbox:
    """The product's synthetic source, for `dataproducts up`."""
    return Sandbox()
