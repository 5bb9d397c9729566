"""`dataproducts materialize`: make partitions of a dataset in as few runs as its declaration allows."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from dataproducts.cli import tables
from dataproducts.cli.tables import Heading
from dataproducts.errors import DataProductsError

if TYPE_CHECKING:
    from dataproducts.cli.runs import Outcome
    from dataproducts.dataset import Dataset

MOST_SHOWN = 40  # rows of the closing table on a terminal; failures are always shown


@dataclass(frozen=True)
class _Progress:
    """Where a run says what it does, and how many partitions are done and how many of these failed."""

    say: Callable[[str], None]
    step: Callable[[int, int], None]


@click.command()
@click.argument("name", metavar="PRODUCT/DATASET[/PORT]")
@click.option("--partition", metavar="KEY", help="One partition; by default the newest there can be.")
@click.option("--from", "first", metavar="KEY", help="First partition of a range.")
@click.option("--to", "last", metavar="KEY", help="Last partition of a range, included.")
def materialize(name: str, partition: str | None, first: str | None, last: str | None) -> None:
    """Make partitions of a dataset, and say what became of each.

    Content that is the same as before makes no new version. A partition that fails does not lose its neighbors. With a port's
    name at the end, what has been made is delivered there.
    """
    if partition is not None and (first is not None or last is not None):
        raise click.UsageError("--partition is one partition and --from ... --to is a range; give one of the two")
    if (first is None) != (last is None):
        raise click.UsageError(f"{'--to' if last is None else '--from'} is missing; a range has both ends")

    from dagster import partition_loading_context

    from dataproducts.cli import location, partitions
    from dataproducts.cli.runs import Runs, dagster_instance

    port = location.port(name)
    dataset = location.dataset(name if port is None else name.rpartition("/")[0])
    at_most = dataset.declaration.partitions_per_run
    with dagster_instance() as instance, partition_loading_context(dynamic_partitions_store=instance):
        if first is not None and last is not None:
            keys = partitions.between(dataset, first, last)
        elif partition is not None:
            keys = [partitions.one(dataset, partition)]
        elif dataset.declaration.partitions is not None:
            keys = [partitions.newest(dataset)]
            tables.note(f"{name}: taking the newest partition, {keys[0]}")
        else:
            keys = []
        outcomes: list[Outcome] = []
        with _progress(dataset, len(keys)) as progress:
            runs = Runs(dataset, instance, progress.say, port)
            for chunk in partitions.runs(keys, at_most) or [[]]:
                outcomes += runs.run(chunk)
                done = [o for o in outcomes if o.state != "mended"]
                progress.step(len(done), sum(o.state == "failed" for o in done))
    _tell(dataset, outcomes)


def _tell(dataset: Dataset, outcomes: Sequence[Outcome]) -> None:
    """The table of what became of each partition; raises the failure's sentence if any failed."""
    failed = [o for o in outcomes if o.state == "failed"]
    if len(outcomes) > 1 or not failed:
        try:
            _show(dataset, outcomes)
        except BrokenPipeError:
            if not failed:
                raise
    if len(outcomes) == 1 and failed:
        raise DataProductsError(failed[0].error)
    if failed:
        stored = len(outcomes) - len(failed)
        raise DataProductsError(
            f"{dataset.contract.dataset}: {len(failed)} of {len(outcomes)} partitions failed, and "
            f"{'1 is' if stored == 1 else f'{stored} are'} stored; mend what the table says, then materialize those again"
        )


def _show(dataset: Dataset, outcomes: Sequence[Outcome]) -> None:
    shown, left_out = list(outcomes), 0
    if sys.stdout.isatty() and len(shown) > MOST_SHOWN:
        whole = [o for o in outcomes if o.state != "failed"]
        keep = {id(o) for o in [*whole[-MOST_SHOWN:], *(o for o in outcomes if o.state == "failed")]}
        shown = [o for o in outcomes if id(o) in keep]
        left_out = len(outcomes) - len(shown)
    cut, wrong = dataset.declaration.partitions is not None, any(o.error for o in shown)
    headings = [
        Heading("version", "right"),
        Heading("rows", "right"),
        Heading("refused", "right"),
        Heading("outcome", state=True),
    ]
    if cut:
        headings.insert(0, Heading("partition"))
    if wrong:
        headings.append(Heading("what is wrong", keep=False))
    rows = []
    for o in shown:
        row: list[object] = [o.version, o.rows, o.refused, o.state]
        rows.append([*([o.partition] if cut else []), *row, *([_brief(dataset, o)] if wrong else [])])
    tables.show(headings, rows)
    if left_out:
        tables.note(f"and {tables.count(left_out, 'earlier partition')} without a failure")
    if len(outcomes) > 1:
        states = Counter(o.state for o in outcomes)
        tables.note(f"{tables.count(len(outcomes), 'partition')}: " + ", ".join(f"{n:,} {state}" for state, n in states.items()))
    refused = sum(o.refused or 0 for o in outcomes)
    if refused:
        tables.note(f"{tables.count(refused, 'row')} in quarantine; see `dataproducts quarantine {dataset.contract.dataset}`")


def _brief(dataset: Dataset, outcome: Outcome) -> str:
    """The sentence without what its row of the table says already."""
    text = outcome.error or ""
    for said in (f"{dataset.contract.dataset}: ", f"partition {outcome.partition!r}: "):
        text = text.removeprefix(said)
    return text


@contextmanager
def _progress(dataset: Dataset, total: int) -> Iterator[_Progress]:
    """Progress on standard error, with what the product prints: a bar on a terminal, plain lines elsewhere."""
    name = dataset.contract.dataset
    if not sys.stderr.isatty():

        def line(done: int, failed: int) -> None:
            if total > 1:
                _say(f"{name}: {done} of {total} partitions done" + (f", {failed} failed" if failed else ""))

        with redirect_stdout(sys.stderr):
            yield _Progress(_say, line)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    counted: list[ProgressColumn] = [BarColumn(), MofNCompleteColumn()] if total > 1 else []
    columns = [SpinnerColumn(), TextColumn("{task.description}"), *counted, TimeElapsedColumn()]
    with Progress(*columns, console=tables.console(error=True), transient=True) as bar:
        task = bar.add_task(name, total=total or None)
        yield _Progress(
            lambda text: bar.console.print(text, style="dim", markup=False),
            lambda done, _: bar.update(task, completed=done),
        )


def _say(text: str) -> None:
    click.echo(text, err=True)
