"""What an erasure reaches from this code location: its products, their ports, Dagster's instance and the catalog."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from dataproducts import settings
from dataproducts.erasure.erasing import World
from dataproducts.errors import ConfigurationError

if TYPE_CHECKING:
    import dagster as dg


@contextmanager
def here(instance: dg.DagsterInstance | None = None) -> Iterator[World]:
    """The world of the location in the working directory; of a lake without code only the lake. Opens the resources of the ports."""
    import dagster as dg

    from dataproducts.cli.location import declared
    from dataproducts.cli.runs import dagster_instance
    from dataproducts.definitions import port_resources, products, resources
    from dataproducts.publication.ports import resource_keys

    try:
        declared()
    except ConfigurationError:
        yield World(settings.lake())
        return
    located = products()
    given = {**port_resources(located), **resources()}
    with ExitStack() as stack:
        instance = instance or stack.enter_context(dagster_instance())
        wanted = {key: given[key] for key in resource_keys(located)}
        opened = stack.enter_context(dg.build_resources(wanted, instance=instance))
        yield World(settings.lake(), located, instance, opened._asdict(), catalog=True)
