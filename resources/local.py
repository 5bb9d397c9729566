"""The laptop: sandbox upstreams, everything under DATAPRODUCTS_HOME, no account and no network."""

from __future__ import annotations

from typing import Any

from dataproducts.ports.kafka.connection import KafkaResource
from resources.register import RegisterResource


def resources() -> dict[str, Any]:
    """Resources by the name under which datasets ask for them."""
    return {"register": RegisterResource(sandbox=True), "kafka": KafkaResource()}
