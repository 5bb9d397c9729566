"""What `dataproducts up` serves with: addresses when they answer, one sentence when it cannot, and nothing that outlives it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataproducts.cli.servers import _TETHERED, Servers
from dataproducts.errors import ConfigurationError
from tests.addresses import free_port


@contextmanager
def listening(port: int = 0) -> Iterator[int]:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_told_of_before_anything_runs() -> None:
    with listening() as port, pytest.raises(ConfigurationError, match=f"port {port} is taken; .* with --catalog-port"):
        Servers(free_port(), port)


def test_each_address_is_printed_once_and_as_soon_as_it_answers(capsys: pytest.CaptureFixture[str]) -> None:
    dagster, catalog = free_port(), free_port()
    servers = Servers(dagster, catalog)
    assert not servers.greet()
    assert capsys.readouterr().out == ""
    with listening(catalog):
        assert not servers.greet()
        assert capsys.readouterr().out == f"The catalog is on http://localhost:{catalog}\n"
        with listening(dagster):
            assert servers.greet()
            assert capsys.readouterr().out.startswith(f"Dagster is on http://localhost:{dagster}  (log: ")


def test_a_server_that_ends_by_itself_is_told_of_with_where_its_log_lies() -> None:
    servers = Servers(free_port(), free_port())
    with subprocess.Popen(["true"]) as ended:
        servers._running.append(ended)
        ended.wait()
        with pytest.raises(ConfigurationError, match=r"stopped by itself; .*dagster\.log says why"):
            servers.greet()


def test_servers_and_what_they_started_end_with_an_up_that_is_killed(tmp_path: Path) -> None:
    started = tmp_path / "started"
    serves = f"sh -c 'echo $$ >> {started}; sleep 600' & echo $$ >> {started}; sleep 600; true"
    up = f"""
import subprocess, time
subprocess.Popen({["sh", "-c", _TETHERED, "server", "sh", "-c", serves]!r}, stdin=subprocess.PIPE, start_new_session=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", up]) as starter:
        wait_until(lambda: started.exists() and started.read_text().count("\n") == 2)
        starter.send_signal(signal.SIGKILL)
    wait_until(lambda: not any(runs(pid, started) for pid in started.read_text().split()))


def wait_until(is_so: object) -> None:
    deadline = time.monotonic() + 60
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(pid: str, started: Path) -> bool:
    """Whether that process is there and still the one that was started: numbers are used again."""
    try:
        return str(started) in Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return False
