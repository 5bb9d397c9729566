"""`dataproducts package`: a product or a dataset as files to hand on, with all that is to be known about them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataproducts.cli import tables
from dataproducts.cli.group import shown

if TYPE_CHECKING:
    from dataproducts.package.files import Format


@click.command()
@click.argument("name", metavar="PRODUCT[/DATASET]")
@click.option(
    "-o", "output", metavar="FOLDER", type=click.Path(path_type=Path), help="By default a folder named PRODUCT or PRODUCT-DATASET, here."
)
@click.option("--as-of", metavar="TIME", help="What was known then: 2026-01-31 (to its end, UTC) or 2026-01-31T12:00:00+01:00.")
@click.option("--partition", metavar="KEY", help="One partition of the dataset.")
@click.option("--format", "form", type=click.Choice(["csv", "parquet"]), default="csv", show_default=True)
@click.option("--with-personal", is_flag=True, help="Personal columns too, where the product's access allows.")
@click.option("--force", is_flag=True, help="Replace a package that is there.")
def package(
    name: str, output: Path | None, as_of: str | None, partition: str | None, form: Format, with_personal: bool, force: bool
) -> None:
    """Write a Data Package, files to hand on.

    It is a Frictionless Data Package: data, schema, license, provenance and a README. Personal columns are left out, and the README says
    which. The same versions give the same bytes.
    """
    from dataproducts.cli import location
    from dataproducts.package.folder import Wanted
    from dataproducts.package.folder import package as write
    from dataproducts.port_asset import offered

    if partition is not None and "/" not in name:
        raise click.UsageError("--partition is of one dataset; name it as PRODUCT/DATASET")
    offers = [offered(dataset.declaration) for dataset in location.chosen(name)]
    folder = (output or Path(name.replace("/", "-"))).absolute()
    made = write(name, offers, folder, Wanted(form, as_of, partition, with_personal), force=force)
    headings = [tables.Heading("file"), tables.Heading("rows", "right"), tables.Heading("columns", "right"), tables.Heading("left out")]
    rows: list[list[object]] = [
        [one.paths[0], one.rows, len(one.columns.taken), ", ".join(one.columns.left_out) or tables.NOTHING] for one in made.resources
    ]
    tables.show(headings, rows)
    for one in made.left:
        tables.note(f"not in it: {one}")
    tables.note(f"written to {shown(str(made.folder))}; check it with `frictionless validate {shown(str(made.folder))}/datapackage.json`")
