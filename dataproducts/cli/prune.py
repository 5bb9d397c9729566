"""`dataproducts prune`: Dagster's event log without what nobody reads any more."""

from __future__ import annotations

import click


@click.command()
@click.option("--days", default=90, show_default=True, type=click.IntRange(7), help="Days that everything is kept.")
def prune(days: int) -> None:
    """Keep Dagster's event log within bounds.

    How older runs went, step by step, is removed. What they have made, their checks and failures, and how they ended stay.
    """
    from datetime import UTC, datetime

    import dagster as dg

    from dataproducts.cli import tables
    from dataproducts.cli.instance import dagster_home
    from dataproducts.retention import forget

    dagster_home()
    with dg.DagsterInstance.get() as instance:
        removed = forget(instance, days, datetime.now(UTC))
    click.echo(f"{tables.count(removed, 'event')} of more than {days} days ago removed")
