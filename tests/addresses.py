"""Addresses for the servers that tests start."""

from __future__ import annotations

import socket
from contextlib import suppress
from random import SystemRandom


def free_port() -> int:
    """A port of this machine that nobody listens on.

    Below those that systems give to outgoing connections: one of these must not take it while its server is away for a restart.
    """
    while True:
        port = SystemRandom().randrange(12_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
