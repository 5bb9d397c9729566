"""`dataproducts run`: a product's schedules without a daemon, for a cluster's own cron."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from dataproducts.cli import tables
from dataproducts.cli.tables import Heading
from dataproducts.errors import DataProductsError, UnknownDataset


@click.command()
@click.argument("name", metavar="PRODUCT")
@click.option("--schedule", "only", metavar="NAME", help="One schedule; by default each of the product.")
@click.option("--alone", is_flag=True, help="Leave what follows from it to Dagster's daemon.")
def run(name: str, only: str | None, alone: bool) -> None:
    """Make what the schedules of a product ask for.

    What follows from it in the product is made too. It goes through Dagster and is recorded in its instance, as if the daemon had
    started it. What a tick has asked for before is not made again.
    """
    from dataproducts.cli import location
    from dataproducts.cli.following import Following
    from dataproducts.cli.runs import dagster_instance
    from dataproducts.cli.schedules import Ticks, schedules_of

    product = location.product(name)
    there = schedules_of(product)
    if only is not None and only not in there:
        raise UnknownDataset(f"{name} has no schedule {only!r}; it has {', '.join(there) or 'none'}")
    if not there:
        raise UnknownDataset(f"{name} has no schedule; give a dataset schedule=..., or product.yaml `runtime: schedule`")
    now = datetime.now(UTC)
    failures: list[str] = []
    rows: list[list[object]] = []
    with dagster_instance() as instance:
        following = None if alone else Following(product, instance, tables.note)
        if following is not None:
            following.look()
        ticks = Ticks(instance, tables.note)
        for schedule in [only] if only is not None else there:
            tick = ticks.tick(schedule, now)
            if tick.skipped:
                tables.note(f"{schedule}: {tick.skipped}")
            rows += [[schedule, what, "new"] for what in tick.done]
            rows += [[schedule, what, "asked for before"] for what in tick.before]
            rows += [[schedule, what, "failed"] for what in tick.failures]
            failures += tick.failures
        while following is not None and following.look():
            for asset, outcome in following.make():
                what = f"{outcome.partition} of {asset}" if outcome.partition else asset
                rows.append(["follows", what, outcome.state])
                failures += [outcome.error or what] if outcome.state == "failed" else []
    if rows:
        tables.show([Heading("schedule"), Heading("what", keep=False), Heading("outcome", state=True)], rows)
    if failures:
        raise DataProductsError(f"{name}: {tables.count(len(failures), 'run')} failed; the first: {failures[0]}")
