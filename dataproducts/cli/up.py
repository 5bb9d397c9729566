"""`dataproducts up`: Dagster and the catalog's pages, and on sandbox sources a week of history that fills them night by night."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from dataproducts import settings
from dataproducts.cli.instance import dagster_home
from dataproducts.cli.location import refuse_elsewhere
from dataproducts.cli.servers import Servers, serving
from dataproducts.errors import DataProductsError

if TYPE_CHECKING:
    from dataproducts.product import DataProduct
    from dataproducts.sandbox import Upstream

NIGHTS = 7
DAGSTER_PORT, CATALOG_PORT = 3000, 8080
_BY = "dataproducts/by"  # on the runs of `up`
_RANGE_START, _RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@click.command()
@click.option("--once", is_flag=True, help="Materialize, publish, show what now exists, and exit; no servers.")
@click.option("--port", default=DAGSTER_PORT, show_default=True, help="Port of Dagster's UI.")
@click.option("--catalog-port", default=CATALOG_PORT, show_default=True, help="Port of the catalog.")
def up(once: bool, port: int, catalog_port: int) -> None:
    """Run it all on sandbox sources, with Dagster and catalog."""
    from dataproducts.sandbox import upstreams

    refuse_elsewhere()
    dagster_home()
    servers = None if once else Servers(port, catalog_port)
    today = datetime.now(ZoneInfo("Europe/Oslo")).date()
    with upstreams(_first_day(today)) as sandboxes, serving(servers) if servers else nullcontext():
        import dagster as dg

        from dataproducts.definitions import products

        with dg.DagsterInstance.get() as instance:
            catalog = _Catalog(products())
            greet = servers.greet if servers else lambda: None
            failures = _nights(instance, catalog, sandboxes, today, greet)
            _examples(greet)
            proof = catalog.proof(instance)
        _show()
        print(f"The catalog: {proof}", flush=True)
        failed = f"{len(failures)} runs failed; the first: {failures[0]}" if failures else ""
        if servers is None:
            if failures:
                raise DataProductsError(failed)
            return
        servers.work()
        servers.wait()
        print(failed or "Everything is there. Schedules and automation are on; runs that wait begin now.", flush=True)
        servers.last()


def _examples(greet: Callable[[], object]) -> None:
    """Run the examples of use, so that the catalog shows what they show; one that does not pass is told of, and stops nothing."""
    from dataproducts.definitions import products
    from dataproducts.examples import running
    from dataproducts.examples.job import run_all

    located = products()
    with _progress("examples of use", sum(len(running.files(product.folder)) for product in located.values())) as step:

        def passed(line: str) -> None:
            greet()
            step(line.partition(": ")[0])

        broken = run_all(located, passed)
    for sentence in broken:
        print(f"an example does not pass: {sentence}", flush=True)


def _first_day(today: date) -> date:
    """The day the local history began: a week before the first `up` in this home."""
    recorded = settings.first_day()
    if recorded is not None:
        return recorded
    first = today - timedelta(days=NIGHTS - 1)
    marker = settings.home() / "first_day"
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(first.isoformat())
    return first


def _nights(instance: Any, catalog: _Catalog, sandboxes: Sequence[Upstream], today: date, greet: Callable[[], object]) -> list[str]:
    """Let the nights pass that have not been seen yet, and tell the catalog of each; gives the sentences of what failed."""
    from dataproducts.definitions import build_defs, products

    located = products()
    repository = build_defs().get_repository_def()
    first = _first_day(today)
    days = [first + timedelta(days=n) for n in range((today - first).days + 1)]
    if sandboxes:
        days = [d for d in days if d <= max(s.day for s in sandboxes)]
    wanted = [day for day in days if _missing(located, day)]
    failures: list[str] = []
    heard: set[Any] = set()
    _cancel_what_was_killed(instance)
    with _progress("nights", len(wanted)) as step:
        for day in wanted:
            for sandbox in sandboxes:
                sandbox.travel(day)
            for span in _missing(located, day):
                failures += _attended(partial(_run, repository, instance, span), greet)
                heard.update(span.assets)
            catalog.tell(instance)
            step(f"night of {day}")
        for silent in _silent_ports(located, heard):
            failures += _attended(partial(_run, repository, instance, silent), greet)
    for sandbox in sandboxes:
        sandbox.travel(days[-1] if days else None)  # what is kept of today was published today, however early it is
        sandbox.travel(None)
    return failures


def _cancel_what_was_killed(instance: Any) -> None:
    """Runs of an `up` that was killed would be said to run for ever."""
    import dagster as dg
    from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

    for run in instance.get_runs(dg.RunsFilter(tags={_BY: "up"}, statuses=NOT_FINISHED_STATUSES)):
        if run.parent_run_id is not None:  # somebody had it run again, with its tags
            continue
        instance.report_run_canceled(run, "`dataproducts up` was killed while this ran; what it left out is made by another run.")


def _attended(run: Callable[[], list[str]], greet: Callable[[], object]) -> list[str]:
    """What a run gives; greets meanwhile. In the main thread Dagster would take an interrupt for a failure of the run, and go on."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        try:
            while not wait([running], timeout=0.2).done:
                greet()
            return running.result()
        except KeyboardInterrupt:
            print("\nStopping, when the run that is under way has ended ...", file=sys.stderr, flush=True)
            raise


def _run(repository: Any, instance: Any, span: _Span) -> list[str]:
    from dataproducts.port_asset import ATTENDED

    result = repository.get_job("__ASSET_JOB").execute_in_process(
        instance=instance,
        partition_key=span.partition,
        tags={_BY: "up", ATTENDED: "yes", **span.tags},
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
def _progress(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """A bar on a terminal, a line for each step elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        numbers = count(1)
        yield lambda text: print(f"{next(numbers)}/{total} {text}", file=sys.stderr, flush=True)
        return
    columns = (TextColumn("{task.description:<34}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=total)

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


class _Catalog:
    """The catalog, which is told of what the event log has, as its sensor will from now on."""

    def __init__(self, located: dict[str, DataProduct]) -> None:
        from dataproducts.catalog.target import target
        from dataproducts.publication.sensor import Publication

        self._located, self._target = located, target()
        self._publication = Publication(located, self._target, settings.location())
        self._cursor: str | None = None

    def tell(self, instance: Any) -> None:
        """Send all that it has not been told yet."""
        while True:
            ticked = self._publication.tick(instance, self._cursor)
            self._cursor = ticked.cursor
            if not ticked.sent:
                return

    def proof(self, instance: Any) -> str:
        """Tell it the rest; gives the sentence that says whether it has everything, and the ports too."""
        import dagster as dg

        from dataproducts.definitions import port_resources, resources
        from dataproducts.publication import ports
        from dataproducts.publication.reconcile import reconcile, sentence

        self.tell(instance)
        located = self._located
        given = {**port_resources(located), **resources()}
        with dg.build_resources({key: given[key] for key in ports.resource_keys(located)}, instance=instance) as opened:
            compared = list(ports.compared(located, opened._asdict(), full=True))
        return sentence(reconcile(instance, located, self._target, settings.location(), ports=compared))
