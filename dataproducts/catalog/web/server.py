"""Runs the catalog until it is told to stop: what is being answered then is answered, and nothing counted is lost."""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Callable
from typing import Any

from dataproducts.catalog.web.catalog import Catalog
from dataproducts.errors import ConfigurationError

GRACE_SECONDS = 10
"""How long requests may go on after the signal to stop."""
_COLLECTED_AFTER = 10_000
"""Objects more than are given back, after which garbage is looked for: a page makes some thousands, which it keeps no circles of."""
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ConfigurationError where the port is taken or not ours to take."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=512)
    except OSError as error:
        raise ConfigurationError(f"the catalog cannot listen on {host}:{port} ({error.strerror}); choose another with --port") from None


def loopback(host: str | None) -> str:
    """The host of a catalog for one's own machine. Raises ConfigurationError for one that others could reach."""
    if host is not None and host not in _LOOPBACK:
        raise ConfigurationError(f"--local is for this machine alone and does not listen on {host}; leave out one of the two")
    return host or _LOOPBACK[0]


def serve(catalog: Catalog, at: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Serve on a socket until SIGTERM or SIGINT. `ready` is called once, when requests are answered."""
    import uvicorn

    from dataproducts.catalog.web.app import create_app

    catalog.database.migrate()
    config = uvicorn.Config(
        create_app(catalog),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=GRACE_SECONDS,
        h11_max_incomplete_event_size=64 * 1024,
    )
    server = _told(uvicorn.Server(config), ready)
    gc.freeze()  # what serves all pages is no garbage
    gc.set_threshold(_COLLECTED_AFTER, *gc.get_threshold()[1:])
    stop = signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn passes the signal on when it has ended, and that is no failure
    try:
        server.run(sockets=[at])
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, stop)
        at.close()


def _told(server: Any, ready: Callable[[], None]) -> Any:
    """The server, which calls `ready` when it has begun."""
    begin = server.startup

    async def startup(sockets: list[socket.socket] | None = None) -> None:
        await begin(sockets)
        if server.started:
            ready()

    server.startup = startup
    return server
