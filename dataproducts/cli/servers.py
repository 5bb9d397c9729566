"""The processes that `dataproducts up` serves with: Dagster's webserver and daemon, and the catalog's pages."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dataproducts import settings
from dataproducts.errors import ConfigurationError

_TETHERED = 'exec 3<&0 </dev/null; (cat <&3 >/dev/null; trap "" TERM; kill -TERM 0; sleep 5; kill -KILL 0) & exec "$@" 3<&-'
"""Run a command that ends, with all it started, when whoever started it lets go of its standard input: also by being killed.

What does not heed a request to end is killed: processes of a job in the background ignore it.
"""
_PATIENCE, _TO_START = 10, 120  # seconds


class Servers:
    """What serves; raises ConfigurationError at once where a port is taken."""

    def __init__(self, port: int, catalog_port: int) -> None:
        _refuse_taken(port, "--port")
        _refuse_taken(catalog_port, "--catalog-port")
        self.log = settings.home() / "dagster.log"
        self._port, self._catalog_port = port, catalog_port
        pages, dagster = f"http://localhost:{catalog_port}", f"http://localhost:{port}"
        self._waited_for = {
            catalog_port: f"The catalog is on {pages}",
            port: f"Dagster is on {dagster}  (log: {self.log}; Ctrl-C stops everything)",
        }
        self._environment = {"CATALOG_BASE_URL": pages, "CATALOG_DAGSTER_URL": dagster}
        self._running: list[subprocess.Popen[bytes]] = []

    def show(self) -> None:
        """Start the pages: Dagster's, and the catalog's."""
        self._start("dataproducts", "catalog", "serve", "--local", "--port", str(self._catalog_port))
        self._start("dagster-webserver", "-h", "127.0.0.1", "-p", str(self._port), *_location())

    def work(self) -> None:
        """Start what runs schedules, sensors, automation, and the runs that have been asked for."""
        self._start("dagster-daemon", "run", *_location())

    def greet(self) -> bool:
        """Print the addresses that answer by now, each once; gives whether all do. Raises ConfigurationError when a server has stopped."""
        if any(server.poll() is not None for server in self._running):
            raise ConfigurationError(f"Dagster or the catalog stopped by itself; {self.log} says why")
        for port in [port for port in self._waited_for if _answers(port)]:
            print(self._waited_for.pop(port), flush=True)
        return not self._waited_for

    def wait(self) -> None:
        """Greet until all addresses have been printed. Raises ConfigurationError where that takes too long."""
        patience = time.monotonic() + _TO_START
        while not self.greet():
            if time.monotonic() > patience:
                raise ConfigurationError(f"Dagster or the catalog does not answer after {_TO_START} seconds; {self.log} says why")
            time.sleep(0.2)

    def last(self) -> None:
        """Serve until a server stops, which raises ConfigurationError, or somebody interrupts."""
        while True:
            self.greet()
            time.sleep(0.5)

    def stop(self) -> None:
        """End all of them."""
        for server in self._running:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
        patience = time.monotonic() + _PATIENCE
        for server in self._running:
            try:
                server.wait(max(0.1, patience - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)

    def _start(self, name: str, *arguments: str) -> None:
        command = ["sh", "-c", _TETHERED, name, str(Path(sys.executable).parent / name), *arguments]
        environment = {**self._environment, **os.environ}
        with self.log.open("ab") as log:
            self._running.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True, env=environment)
            )


@contextmanager
def serving(servers: Servers) -> Iterator[Servers]:
    """Show pages for as long as it lasts; an interrupt is how it ends."""
    stop = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        servers.show()
        yield servers
    except KeyboardInterrupt:
        print("\nStopped.")
    finally:
        signal.signal(signal.SIGTERM, stop)
        servers.stop()


def _location() -> list[str]:
    workspace = Path("workspace.yaml")
    return ["-w", str(workspace.absolute())] if workspace.exists() else ["-m", "dataproducts.definitions"]


def _refuse_taken(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ConfigurationError(f"port {port} is taken; stop what listens there, or choose another with {option}") from None


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
