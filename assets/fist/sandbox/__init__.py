"""A synthetic accounting system, for the laptop and the tests: an operational database that changes by the day, all invented.

It is the same every time. Accounts follow the numbering of NS 4102. Vendors are units of the synthetic Enhetsregisteret, so that their
organization numbers are found there; people, amounts and texts are made up.
"""

from assets.fist.sandbox.system import Sandbox, address
from assets.fist.sandbox.world import Change, World

__all__ = ["Change", "Sandbox", "World", "address", "upstream"]


def upstream() -> Sandbox:
    """The product's synthetic source, for `dataproducts up`."""
    return Sandbox()
