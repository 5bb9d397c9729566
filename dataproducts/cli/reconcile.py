"""`dataproducts reconcile`: whether catalog and ports have the newest version of everything; what the catalog lacks is sent again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dataproducts.cli import tables
from dataproducts.cli.tables import Heading
from dataproducts.errors import CatalogUnavailable, PortError

if TYPE_CHECKING:
    from dataproducts.publication.ports import Found


@click.command()
@click.option("--repair", is_flag=True, help="Send again what is behind or missing, then compare once more.")
@click.option("--quick", is_flag=True, help="Count what the ports hold, without reading it back.")
def reconcile(repair: bool, quick: bool) -> None:
    """Hold catalog and ports against lake and event log.

    Exit status 1 while anything is behind, missing or different.
    """
    import dagster as dg

    from dataproducts.catalog.target import target
    from dataproducts.cli.instance import dagster_home
    from dataproducts.cli.location import declared
    from dataproducts.definitions import port_resources, products, resources
    from dataproducts.publication import ports as at_ports
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
        given = {**port_resources(products()), **resources()}
        with dg.build_resources({key: given[key] for key in at_ports.resource_keys(products())}, instance=instance) as opened:
            ports = list(at_ports.compared(products(), opened._asdict(), full=not quick))
        proof = work.reconcile(instance, products(), at_hand, location(), found=found, ports=ports)
    rows: list[list[object]] = [[name, None, None, None, "the catalog does not know it"] for name in found.missing]
    rows += [[b.dataset, b.partition, b.number, b.has, b.why] for b in found.behind]
    if rows:
        headings = [Heading("dataset"), Heading("partition"), Heading("newest", "right"), Heading("catalog", "right")]
        tables.show([*headings, Heading("what is where", keep=False)], rows[:200])
    for remark in found.remarks[:20]:
        tables.note(remark)
    if found.on_their_way:
        tables.note(f"{tables.count(found.on_their_way, 'partition')} too young to be behind, and on the way")
    _show(ports)
    differing = [port for port in ports if not port.is_equal]
    if differing and not proof.behind and not proof.missing:
        remedy = next((port.remedy for port in differing if port.remedy), "run again when the port answers")
        raise PortError(f"{work.sentence(proof)}; {remedy}")
    if proof.behind or proof.missing:
        raise CatalogUnavailable(f"{work.sentence(proof)}; `dataproducts reconcile --repair` sends it again")
    click.echo(f"{tables.count(proof.compared, 'partition')} compared: {work.sentence(proof)}")


def _show(ports: Sequence[Found]) -> None:
    rows: list[list[object]] = [
        [
            f"{one.dataset}/{one.port}",
            one.proof.versions if one.proof else None,
            one.proof.rows if one.proof else None,
            one.proof.waiting if one.proof else None,
            one.proof.differences if one.proof else None,
        ]
        for one in ports
        if one.idle is None
    ]
    if rows:
        counts = [Heading(name, "right") for name in ("versions", "rows", "waiting", "differences")]
        tables.show([Heading("port", keep=True), *counts], rows)
    for one in ports:
        for text in one.differences[:20]:
            tables.note(text)
        if one.idle is not None:
            tables.note(f"{one.dataset}/{one.port} writes nowhere: {one.idle}")
