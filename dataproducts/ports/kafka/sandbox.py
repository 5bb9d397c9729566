"""A synthetic broker: the mock cluster that is built into confluent-kafka's client. Its memory is that of its process.

What it lacks beside a real one: topics are created when first asked for, with four partitions and no configuration; a partition keeps
about 5 MiB; nothing is compacted; messages of open transactions are seen and their offsets not kept; a second producer fences nobody.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from confluent_kafka import Producer

CLUSTER = "mockCluster"
"""How the cluster ids of sandbox brokers begin."""

_TO_END = 15.0  # seconds
_hosted: set[str] = set()


class Sandbox:
    """A running cluster on free local ports. It ends with `close` or with its process."""

    def __init__(self, brokers: int = 1) -> None:
        from confluent_kafka import Producer

        # the client that hosts the cluster takes the cluster's addresses for its own, whatever it is told
        self._host: Producer | None = Producer({"bootstrap.servers": "sandbox", "test.mock.num.brokers": brokers, "log_level": 0})
        found = self._host.list_topics(timeout=10).brokers.values()
        self.addresses = ",".join(f"{broker.host}:{broker.port}" for broker in found)
        _hosted.add(self.addresses)

    def close(self) -> None:
        """End it; everything in it is gone. A client that does not end in time is left to the end of the process."""
        hosts, self._host = [self._host], None
        _hosted.discard(self.addresses)
        ending = threading.Thread(target=hosts.clear, name="sandbox-broker", daemon=True)
        ending.start()
        ending.join(_TO_END)


@contextmanager
def sandbox_broker(brokers: int = 1) -> Iterator[str]:
    """A cluster for as long as it is needed; gives its addresses, which are for KAFKA_BROKERS."""
    sandbox = Sandbox(brokers)
    try:
        yield sandbox.addresses
    finally:
        sandbox.close()


def is_sandbox(cluster_id: str | None) -> bool:
    """Whether the cluster of this id is one of these."""
    return bool(cluster_id) and str(cluster_id).startswith(CLUSTER)


def is_hosted(addresses: str) -> bool:
    """Whether these are the addresses of one that runs in this process."""
    return addresses in _hosted
