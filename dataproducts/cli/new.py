"""`dataproducts new`: begin a product."""

from __future__ import annotations

from pathlib import Path

import click

from dataproducts.cli import tables

_WHAT = {
    "product.yaml": "who publishes what, why, and under which terms",
    "schemas.py": "the columns it promises, their types and rules",
    "datasets.py": "the datasets: one function each",
    "workspace.yaml": "tells Dagster where the products are",
    "local.py": "what the datasets run against on a laptop",
    "product.schema.json": "helps an editor with product.yaml",
    ".gitignore": "leaves local data out of version control",
}


@click.command()
@click.argument("name", metavar="PRODUCT")
def new(name: str) -> None:
    """Begin a product here, with a dataset that works at once.

    Makes a folder under `assets`, a test, and what Dagster needs to find them. Nothing that exists is overwritten.
    """
    from datetime import date

    from dataproducts.scaffold import new_product

    root = Path.cwd()
    written = [path.relative_to(root) for path in new_product(name, root, date.today())]
    told = [path for path in written if path.name != "__init__.py"]
    width = max(len(str(path)) for path in told)
    click.echo(f"Made the product {click.style(name, bold=True)}:")
    for path in told:
        about = _WHAT.get(path.name, "a test of its promises")
        click.echo(f"  {path!s:<{width}}  {click.style(about, dim=True)}")
    tables.note("\nNext:")
    for command in (f"materialize {name}/readings", f"read {name}/readings", f"contract freeze {name}"):
        tables.note(f"  dataproducts {command}")
