"""`dataproducts read` and `dataproducts changes`: data out of the history. They need the lake only, not the products' code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dataproducts.cli import tables

if TYPE_CHECKING:
    import polars as pl

    from dataproducts.history.ledger import Version


def _output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    form = click.option(
        "--format",
        "form",
        type=click.Choice(["csv", "json", "parquet"]),
        help="By default a table on a terminal and CSV elsewhere.",
    )
    output = click.option(
        "-o", "output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write a file, whole or not at all."
    )
    return form(output(command))


@click.command()
@click.argument("name", metavar="PRODUCT/DATASET")
@click.option("--partition", metavar="KEY", help="One partition; by default all, or the newest of a dataset of snapshots.")
@click.option("--version", type=click.IntRange(1), metavar="N", help="An older version of the partition.")
@click.option("--as-of", metavar="TIME", help="What was known then: 2026-01-31 (to its end, UTC) or 2026-01-31T12:00:00+01:00.")
@click.option("--columns", metavar="A,B", help="Only these; _partition, _version, _known_at and _contract may be among them.")
@click.option("--contract", type=click.IntRange(0), metavar="MAJOR", help="As promised under this major version.")
@click.option("--limit", type=click.IntRange(0), metavar="N", help="At most so many rows.")
@_output_options
def read(
    name: str,
    partition: str | None,
    version: int | None,
    as_of: str | None,
    columns: str | None,
    contract: int | None,
    limit: int | None,
    form: str | None,
    output: Path | None,
) -> None:
    """Read a dataset: a table on a terminal, CSV elsewhere.

    A note on standard error says what was read. Decimals are strings in JSON, so that no reader rounds them; lists and
    structs are JSON in CSV.
    """
    from dataproducts.cli import rows
    from dataproducts.history import lake

    chosen_form = rows.form_of(form, output)
    wanted = [c.strip() for c in columns.split(",") if c.strip()] if columns is not None else None
    versions, found = lake.select(name, partition, version, as_of, wanted, contract)
    reading = rows.Reading(lake.open_history(name), versions)
    if limit is not None:
        found = found.head(limit)
    number = _show(found, reading) if chosen_form is None else rows.write(found, chosen_form, output, reading)
    where = f"; written to {output}" if output else ""
    tables.note(f"{_of(versions, partition)}, {tables.count(number, 'row')}{where}")


def _show(found: pl.LazyFrame, reading: Any) -> int:
    import polars as pl

    from dataproducts.cli import rows

    with reading.of_lake():
        first = found.head(rows.FIRST).collect()
        total = first.height if first.height < rows.FIRST else int(found.select(pl.len()).collect().item())
    rows.show(first, total)
    return total


def _of(versions: Sequence[Version], partition: str | None) -> str:
    """Which partitions and versions were read, and when that was known."""
    from dataproducts.history.ledger import UNPARTITIONED

    if partition is not None:
        versions = [v for v in versions if v.partition == partition]
    if not versions:
        return "no partitions"
    known = max(v.known_at for v in versions).isoformat(timespec="seconds").replace("+00:00", "Z")
    keys = sorted(v.partition for v in versions)
    if len(versions) == 1:
        where = "" if keys[0] == UNPARTITIONED else f"partition {keys[0]}, "
        return f"{where}version {versions[0].number}, known at {known}"
    return f"{tables.count(len(keys), 'partition')} from {keys[0]} to {keys[-1]}, the newest known at {known}"


@click.command()
@click.argument("name", metavar="PRODUCT/DATASET")
@click.option("--from", "since", required=True, metavar="TIME", help="The state before: a time, or a partition of a dataset of snapshots.")
@click.option("--to", "until", metavar="TIME", help="The state after, given the same way; by default what is known now.")
@_output_options
def changes(name: str, since: str, until: str | None, form: str | None, output: Path | None) -> None:
    """Inserts, updates and deletes by key between two points.

    Inserts and updates show the new values, deletes the last ones; `_changed_columns` names what an update changed.
    """
    import polars as pl

    from dataproducts.cli import rows
    from dataproducts.history import lake

    chosen_form = rows.form_of(form, output)
    found = lake.changed(name, since, until)
    if chosen_form is None:
        rows.show(found.head(rows.FIRST), found.height)
    else:
        rows.write(found.lazy(), chosen_form, output, rows.Reading(lake.open_history(name), ()))
    numbers = dict(found.group_by("_change").agg(pl.len()).iter_rows())
    parts = [tables.count(numbers.get(kind, 0), kind) for kind in ("insert", "update", "delete")]
    where = f"; written to {output}" if output else ""
    tables.note(f"{', '.join(parts)} from {since} to {until or 'now'}{where}")
