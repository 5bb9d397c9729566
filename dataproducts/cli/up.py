"""`dataproducts up`: sandbox sources, a fortnight of history told to the catalog, then Dagster and the catalog's pages."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from dataproducts import settings
from dataproducts.cli.instance import dagster_home
from dataproducts.errors import ConfigurationError, DataProductsError

if TYPE_CHECKING:
    from dataproducts.product import DataProduct
    from dataproducts.sandbox import Upstream

NIGHTS = 14
DAGSTER_PORT, CATALOG_PORT = 3000, 8080
_RANGE_START, _RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@click.command()
@click.option("--once", is_flag=True, help="Materialize, publish, show what now exists, and exit; no servers.")
@click.option("--port", default=DAGSTER_PORT, show_default=True, help="Port of Dagster's UI.")
@click.option("--catalog-port", default=CATALOG_PORT, show_default=True, help="Port of the catalog.")
def up(once: bool, port: int, catalog_port: int) -> None:
    """Run it all on sandbox sources, with Dagster and catalog."""
    from dataproducts.sandbox import upstreams

    if not once:
        _refuse_taken(port, "--port")
        _refuse_taken(catalog_port, "--catalog-port")
    dagster_home()
    today = datetime.now(ZoneInfo("Europe/Oslo")).date()
    with upstreams(_first_day(today)) as sandboxes:
        failures = _nights(sandboxes, today)
        _examples()
        told = _publish()
        _show()
        print(f"The catalog: {told}", flush=True)
        if once:
            if failures:
                raise DataProductsError(f"{len(failures)} runs failed; the first: {failures[0]}")
            return
        _serve(port, catalog_port)


def _examples() -> None:
    """Run the examples of use, so that the catalog shows what they show; one that does not pass is told of, and stops nothing."""
    from dataproducts.definitions import products
    from dataproducts.examples.job import run_all

    for sentence in run_all(products(), lambda line: None):
        print(f"an example does not pass: {sentence}", flush=True)


def _first_day(today: date) -> date:
    """The day the local history began: a fortnight before the first `up` in this home."""
    recorded = settings.first_day()
    if recorded is not None:
        return recorded
    first = today - timedelta(days=NIGHTS - 1)
    marker = settings.home() / "first_day"
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(first.isoformat())
    return first


def _nights(sandboxes: Sequence[Upstream], today: date) -> list[str]:
    """Let the nights pass that have not been seen yet; gives the sentences of what failed."""
    import dagster as dg

    from dataproducts.definitions import build_defs, products

    located = products()
    repository = build_defs().get_repository_def()
    first = _first_day(today)
    days = [first + timedelta(days=n) for n in range((today - first).days + 1)]
    if sandboxes:
        days = [d for d in days if d <= max(s.day for s in sandboxes)]
    wanted = [(day, spans) for day in days if (spans := _missing(located, day))]
    failures: list[str] = []
    with dg.DagsterInstance.get() as instance, _progress(len(wanted)) as step:
        for day, spans in wanted:
            for sandbox in sandboxes:
                sandbox.travel(day)
            for span in spans:
                failures += _run(repository, instance, span)
            step(f"night of {day}")
        for silent in _silent_ports(located, {key for _, spans in wanted for span in spans for key in span.assets}):
            failures += _run(repository, instance, silent)
    for sandbox in sandboxes:
        sandbox.travel(days[-1] if days else None)  # what is kept of today was published today, however early it is
        sandbox.travel(None)
    return failures


def _run(repository: Any, instance: Any, span: _Span) -> list[str]:
    result = repository.get_job("__ASSET_JOB").execute_in_process(
        instance=instance,
        partition_key=span.partition,
        tags=span.tags,
        asset_selection=span.assets,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    return [_sentence(e) for e in result.get_step_failure_events()]


def _silent_ports(located: dict[str, DataProduct], heard: set[Any]) -> list[_Span]:
    """Ports that no night was for: a sandbox broker forgets when it ends, and gets the newest state again."""
    spans = []
    for product in located.values():
        for name, ports in product.ports.items():
            current = product.datasets[name].history().current()
            spans += [_Span(max(current), max(current), [one.key]) for one in ports if current and one.key not in heard]
    return spans


@dataclass
class _Span:
    """Partitions of one definition that a night makes in one run, and the assets it makes: datasets with their ports."""

    first: str
    last: str
    assets: list[Any] = field(default_factory=list)
    needs: set[Any] = field(default_factory=set)

    @property
    def partition(self) -> str | None:
        """The one partition; None where there are several, or none."""
        from dataproducts.history.ledger import UNPARTITIONED

        return self.first if self.first == self.last != UNPARTITIONED else None

    @property
    def tags(self) -> dict[str, str]:
        """The partitions, where there are several."""
        return {} if self.first == self.last else {_RANGE_START: self.first, _RANGE_END: self.last}


def _missing(located: dict[str, DataProduct], day: date) -> list[_Span]:
    """What a night has to make, in the order it can be made: the hours of that day that are over, the day, and what has no partitions."""
    spans: list[tuple[Any, _Span]] = []
    for product in located.values():
        for name, dataset in product.datasets.items():
            partitions, current = dataset.declaration.partitions, dataset.history().current()
            keys = [key for key in _keys_of(partitions, day) if key not in current]
            if not keys:
                continue
            alike = (span for cut, span in spans if cut == partitions and (span.first, span.last) == (keys[0], keys[-1]))
            span = next(alike, None) or _Span(keys[0], keys[-1])
            if not span.assets:
                spans.append((partitions, span))
            span.assets += [dataset.declaration.key, *(port.key for port in product.ports[name])]
            span.needs.update(one.key for one in dataset.declaration.inputs.values())
    waiting, ordered = [span for _, span in spans], []
    while waiting:
        ready = [one for one in waiting if not any(one.needs & set(other.assets) for other in waiting if other is not one)] or waiting
        ordered += ready
        waiting = [one for one in waiting if one not in ready]
    return ordered


def _keys_of(partitions: Any, day: date) -> list[str]:
    """The partition keys that lie within a day; none of what time does not divide."""
    import dagster as dg

    from dataproducts.history.ledger import UNPARTITIONED

    if partitions is None:
        return [UNPARTITIONED]
    if not isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        return [day.isoformat()] if partitions.has_partition_key(day.isoformat()) else []
    zone = ZoneInfo(partitions.timezone)
    midnight, next_midnight = (datetime.combine(one, clock(), zone) for one in (day, day + timedelta(days=1)))
    window = dg.TimeWindow(midnight, next_midnight)
    keys = partitions.get_partition_keys_in_time_window(window)
    return [key for key in keys if partitions.has_partition_key(key)]


def _sentence(event: Any) -> str:
    data = event.step_failure_data
    given = getattr(data.user_failure_data, "description", None)
    return str(given or (data.error.message if data.error else "a step failed")).strip().splitlines()[0]


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        count = iter(range(1, total + 1))
        yield lambda text: print(f"{next(count)}/{total} {text}", file=sys.stderr, flush=True)
        return
    columns = (TextColumn("{task.description:<20}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("the first night", total=total)

        def step(text: str) -> None:
            bar.update(task, advance=1, description=text)

        yield step


def _show() -> None:
    """A table of what now exists."""
    from rich.console import Console
    from rich.table import Table

    from dataproducts.definitions import products

    table = Table(title="What now exists", title_justify="left", box=None, padding=(0, 2, 0, 0))
    for name, side in (
        ("dataset", "left"),
        ("partitions", "right"),
        ("versions", "right"),
        ("newest", "left"),
        ("rows", "right"),
    ):
        table.add_column(name, justify=side)  # type: ignore[arg-type]
    for product in products().values():
        for dataset in product.datasets.values():
            history = dataset.history()
            current = history.current()
            newest = current[max(current)] if current else None
            table.add_row(
                dataset.contract.dataset,
                str(len(current)),
                str(len(history.versions())),
                newest.partition if newest else "none yet",
                f"{newest.rows:,}" if newest else "0",
            )
    Console(width=None if sys.stdout.isatty() else 110).print(table)


def _publish() -> str:
    """Tell the catalog of everything at once, as its sensor will from now on; gives the sentence that proves it."""
    import dagster as dg

    from dataproducts.catalog.target import target
    from dataproducts.definitions import port_resources, products, resources
    from dataproducts.publication import ports
    from dataproducts.publication.reconcile import reconcile, sentence
    from dataproducts.publication.sensor import Publication

    located, where, at_hand = products(), settings.location(), target()
    publication = Publication(located, at_hand, where)
    with dg.DagsterInstance.get() as instance:
        cursor: str | None = None
        while True:
            ticked = publication.tick(instance, cursor)
            cursor = ticked.cursor
            if not ticked.sent:
                break
        given = {**port_resources(located), **resources()}
        with dg.build_resources({key: given[key] for key in ports.resource_keys(located)}, instance=instance) as opened:
            compared = list(ports.compared(located, opened._asdict(), full=True))
        return sentence(reconcile(instance, located, at_hand, where, ports=compared))


def _refuse_taken(port: int, option: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise ConfigurationError(f"port {port} is taken; stop what listens there, or choose another with {option}") from None


def _serve(port: int, catalog_port: int) -> None:
    """Run Dagster's webserver and daemon and the catalog until they are interrupted or one of them ends."""
    workspace = Path("workspace.yaml")
    where = ["-w", str(workspace.absolute())] if workspace.exists() else ["-m", "dataproducts.definitions"]
    tools = Path(sys.executable).parent
    log = (settings.home() / "dagster.log").open("ab")
    pages, dagster = f"http://localhost:{catalog_port}", f"http://localhost:{port}"
    environment = {"CATALOG_BASE_URL": pages, "CATALOG_DAGSTER_URL": dagster, **os.environ}
    commands = [
        ["dagster-webserver", "-h", "127.0.0.1", "-p", str(port), *where],
        ["dagster-daemon", "run", *where],
        ["dataproducts", "catalog", "serve", "--local", "--port", str(catalog_port)],
    ]
    servers = [
        subprocess.Popen([str(tools / name), *arguments], stdout=log, stderr=log, start_new_session=True, env=environment)
        for name, *arguments in commands
    ]
    stop = signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        if _answers(catalog_port, servers):
            print(f"\nThe catalog is on {pages}", flush=True)
        if _answers(port, servers):
            print(f"Dagster is on {dagster}  (log: {log.name}; Ctrl-C stops everything)", flush=True)
        while all(server.poll() is None for server in servers):
            time.sleep(0.5)
        raise ConfigurationError(f"Dagster or the catalog stopped by itself; {log.name} says why")
    except KeyboardInterrupt:
        print("\nStopped.")
    finally:
        signal.signal(signal.SIGTERM, stop)
        for server in servers:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGTERM)
        patience = time.monotonic() + 10
        for server in servers:
            try:
                server.wait(max(0.1, patience - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


def _answers(port: int, servers: Sequence[subprocess.Popen[bytes]]) -> bool:
    for _ in range(600):
        if any(server.poll() is not None for server in servers):
            return False
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.2)
    return False
