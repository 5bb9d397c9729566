"""`dataproducts alerts`: who is told of trouble, what is open now, and whether a message arrives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from dataproducts.cli import tables
from dataproducts.cli.tables import Heading
from dataproducts.errors import ConfigurationError, DataProductsError, ReceiverUnavailable, UnknownDataset

if TYPE_CHECKING:
    from dataproducts.alerts.cases import Memory
    from dataproducts.alerts.sensor import Recipient
    from dataproducts.product import DataProduct

_NOBODY = "no product says who is to be told; write `alerts` into a product.yaml, with slack_webhook or email"


@click.command()
@click.option("--test", "tested", metavar="TEAM|PRODUCT", help="Send one message to whoever is told for a team or product.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: receivers and what is open.")
def alerts(tested: str | None, as_json: bool) -> None:
    """Who is told of trouble, and what is open now."""
    from dataproducts.alerts.sensor import recipients
    from dataproducts.cli.location import declared
    from dataproducts.definitions import products

    declared()  # says it in one sentence where there is no location here
    located = products()
    found = list(recipients(located).values())
    if tested is not None:
        _test(tested, located, found)
        return
    if as_json:
        click.echo(json.dumps(_plain(found, _remembered()), ensure_ascii=False, indent=2))
        return
    if not found:
        tables.note(_NOBODY)
        return
    headings = [Heading("told"), Heading("of"), Heading("by", keep=False)]
    ways = [(recipient.receiver.name, recipient.receiver.fault()) for recipient in found]
    tables.show(
        headings,
        [[name, ", ".join(recipient.alerts), fault or "ready"] for (name, fault), recipient in zip(ways, found, strict=True)],
    )
    _show_open(_remembered())


def _show_open(memory: Memory) -> None:
    from dataproducts.alerts.words import headline, spelled

    open_ = sorted((case for case in memory.cases.values() if case.ended is None), key=lambda case: case.since)
    if not open_:
        tables.note("nothing is open")
        return
    rows: list[list[object]] = [[spelled(case.since), headline(case), len(case.told), case.text] for case in open_]
    tables.show([Heading("since"), Heading("what"), Heading("told", "right"), Heading("in words", keep=False)], rows)
    tables.note(f"{len(open_):,} open; docs/runbook.md says what to do about each")


def _test(name: str, located: dict[str, DataProduct], found: list[Recipient]) -> None:
    from dataproducts.alerts.sensor import PATIENCE
    from dataproducts.alerts.words import trial

    meant = {product for product, one in located.items() if name in (product, one.facts.team)}
    if not meant:
        there = sorted({*located, *(one.facts.team for one in located.values())})
        raise UnknownDataset(f"there is no team or product {name!r} in this code location; it has {', '.join(there)}")
    reached = [recipient for recipient in found if meant & recipient.alerts.keys()]
    if not reached:
        raise ConfigurationError(f"nobody is told for {name}; write `alerts` into its product.yaml, with slack_webhook or email")
    failed: list[DataProductsError] = []
    for recipient in reached:
        receiver = recipient.receiver
        try:
            if (fault := receiver.fault()) is not None:
                raise ConfigurationError(f"{receiver.name}: {fault}")
            remark = receiver.send(trial(sorted(meant & recipient.alerts.keys())), PATIENCE)
        except (ConfigurationError, ReceiverUnavailable) as error:
            failed.append(error)
            continue
        click.echo(f"sent: {receiver.name}")
        if remark:
            tables.note(remark)
    for other in failed[1:]:
        tables.note(str(other))
    if failed:
        raise failed[0]


def _remembered() -> Memory:
    """What the sensor knows; nothing where it has not run."""
    import dagster as dg

    from dataproducts.alerts.cases import Memory
    from dataproducts.alerts.sensor import NAME
    from dataproducts.cli.instance import dagster_home
    from dataproducts.publication.reading import cursor_of
    from dataproducts.settings import location

    dagster_home()
    with dg.DagsterInstance.get() as instance:
        return Memory.read(cursor_of(instance, location(), NAME)) or Memory()


def _plain(found: list[Recipient], memory: Memory) -> dict[str, Any]:
    from dataproducts.alerts.words import headline

    return {
        "receivers": [
            {
                "name": one.receiver.name,
                "products": {product: list(alerts.kinds) for product, alerts in one.alerts.items()},
                "fault": one.receiver.fault(),
                "failed_in_a_row": memory.silent.get(one.receiver.id, 0),
            }
            for one in found
        ],
        "open": [
            {
                "kind": case.kind,
                "subject": case.subject,
                "check": case.check or None,
                "since": case.since.isoformat(),
                "what": headline(case),
                "text": case.text,
                "run": case.run or None,
                "told": {receiver: at.isoformat() for receiver, at in case.told.items()},
            }
            for case in memory.cases.values()
            if case.ended is None
        ],
    }
