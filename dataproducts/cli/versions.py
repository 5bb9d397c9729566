"""`dataproducts versions`: every version of a dataset, and whether it still holds what was committed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dataproducts.cli import tables
from dataproducts.cli.tables import Heading
from dataproducts.errors import HistoryError

if TYPE_CHECKING:
    from dataproducts.history.ledger import Version


@click.command()
@click.argument("name", metavar="PRODUCT/DATASET")
@click.option("--partition", metavar="KEY", help="Only of this partition.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, with full hashes and notes.")
@click.option("--verify", is_flag=True, help="Read every version and hold it against its content hash.")
def versions(name: str, partition: str | None, as_json: bool, verify: bool) -> None:
    """Every version of a dataset, and when it became known."""
    from dataproducts.history import lake
    from dataproducts.history.ledger import UNPARTITIONED

    found = lake.versions(name, partition)
    damage = _verify(name, found) if verify else {}
    if as_json:
        held = [{"intact": v not in damage} if verify else {} for v in found]
        click.echo(json.dumps([{**v.as_dict(), **more} for v, more in zip(found, held, strict=True)], ensure_ascii=False, indent=2))
    else:
        headings = [
            Heading("version", "right"),
            Heading("known at"),
            Heading("contract"),
            Heading("rows", "right"),
            Heading("content"),
        ]
        rows: list[list[object]] = [[v.number, f"{v.known_at:%Y-%m-%dT%H:%M:%SZ}", v.contract, v.rows, v.content_hash[:12]] for v in found]
        if {v.partition for v in found} != {UNPARTITIONED}:
            headings.insert(0, Heading("partition"))
            rows = [[v.partition, *row] for v, row in zip(found, rows, strict=True)]
        if verify:
            headings.append(Heading("verified", state=True))
            rows = [[*row, "damaged" if v in damage else "intact"] for v, row in zip(found, rows, strict=True)]
        tables.show(headings, rows)
    if damage:
        first, *others = damage.values()
        raise HistoryError(f"{first}{_more(len(others))}")
    if verify:
        tables.note(f"{tables.count(len(found), 'version')} read; each holds what was committed")


def _more(others: int) -> str:
    return f"; {tables.count(others, 'other version is', 'other versions are')} damaged too" if others else ""


def _verify(name: str, found: Sequence[Version]) -> dict[Version, str]:
    """What is wrong with each damaged version, as a sentence."""
    from dataproducts.history import lake

    history = lake.open_history(name)
    damage: dict[Version, str] = {}
    for version in tables.track(found, "verifying"):
        try:
            history.verify([version])
        except HistoryError as error:
            damage[version] = str(error)
    return damage
