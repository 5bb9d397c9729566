"""`dataproducts reconcile`: whether the catalog has the newest version of everything, and the rest sent again."""

from __future__ import annotations

import click

from dataproducts.cli import tables
from dataproducts.cli.tables import Heading
from dataproducts.errors import CatalogUnavailable


@click.command()
@click.option("--repair", is_flag=True, help="Send again what is behind or missing, then compare once more.")
def reconcile(repair: bool) -> None:
    """Hold the lake and Dagster's event log against the catalog.

    Exit status 1 while anything is behind or missing.
    """
    import dagster as dg

    from dataproducts.catalog.target import target
    from dataproducts.cli.instance import dagster_home
    from dataproducts.cli.location import declared
    from dataproducts.definitions import products
    from dataproducts.publication import reconcile as work
    from dataproducts.settings import location

    declared()  # says it in one sentence where there is no location here
    dagster_home()
    at_hand = target()
    with dg.DagsterInstance.get() as instance:
        found = work.compare(instance, products(), at_hand, location())
        if repair and (found.behind or found.missing):
            for refused in work.repair(products(), at_hand, location(), found):
                tables.note(refused)
            tables.note(f"{tables.count(len(found.behind) + len(found.missing), 'message')} sent again")
            found = work.compare(instance, products(), at_hand, location())
        proof = work.reconcile(instance, products(), at_hand, location(), found=found)
    rows: list[list[object]] = [[name, None, None, None, "the catalog does not know it"] for name in found.missing]
    rows += [[b.dataset, b.partition, b.number, b.has, b.why] for b in found.behind]
    if rows:
        headings = [Heading("dataset"), Heading("partition"), Heading("newest", "right"), Heading("catalog", "right")]
        tables.show([*headings, Heading("what is where", keep=False)], rows[:200])
    for remark in found.remarks[:20]:
        tables.note(remark)
    if found.on_their_way:
        tables.note(f"{tables.count(found.on_their_way, 'partition')} too young to be behind, and on the way")
    if proof.behind or proof.missing:
        raise CatalogUnavailable(f"{work.sentence(proof)}; `dataproducts reconcile --repair` sends it again")
    click.echo(f"{tables.count(proof.compared, 'partition')} compared: {work.sentence(proof)}")
