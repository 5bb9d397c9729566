"""The catalog of `catalog` on PostgreSQL instead: a server of the benchmark's own (apt: postgresql); nothing is measured without."""

from __future__ import annotations

import sys

from benchmarks.catalog import measured
from benchmarks.measurement import Comparison, Size
from benchmarks.peers import Peers
from tests import postgres


def run(size: Size, rounds: int, peers: Peers | None) -> list[Comparison]:
    """Fill a catalog, serve it, and ask for its pages."""
    if postgres.binaries() is None:
        print("no PostgreSQL on this machine", file=sys.stderr)
        return []
    with postgres.server() as server:
        return measured(server.new(), size, rounds, on="postgresql ")
