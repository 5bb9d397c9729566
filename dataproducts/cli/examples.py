"""`dataproducts examples`: the examples of use of a product, whether they pass, and running them."""

from __future__ import annotations

import click

from dataproducts.cli import tables
from dataproducts.errors import DataProductsError, UnknownDataset


@click.command()
@click.argument("name", metavar="[PRODUCT]", required=False)
@click.option("--run", "is_run", is_flag=True, help="Run them against the lake, and keep what they show for the catalog.")
def examples(name: str | None, is_run: bool) -> None:
    """Examples of use, and whether they pass.

    They are the files of a product's examples/ that end in .py, .sql or .ipynb. With --run it exits with 1 where one does not pass.
    """
    from dataproducts.cli import location
    from dataproducts.definitions import products
    from dataproducts.examples import kept, running
    from dataproducts.examples.job import run_all

    location.chosen(name)
    located = products()
    if name is not None and name not in located:
        raise UnknownDataset(f"{name!r} is a dataset; examples are of a product, so name {name.split('/')[0]!r}")
    wanted = {one: located[one] for one in sorted(located) if name in (None, one)}
    broken = run_all(wanted, tables.note) if is_run else []
    rows: list[list[object]] = []
    for product, of in wanted.items():
        files = running.files(of.folder)
        held = kept.load(product) if files else {}
        rows += [[f"{product}/{path.name}", _state(held.get(path.name), running.digest(path.read_bytes()))] for path in files]
    tables.show([tables.Heading("example"), tables.Heading("state")], rows)
    if broken:
        more = f" (and {tables.count(len(broken) - 1, 'other example')} not passing)" if len(broken) > 1 else ""
        raise DataProductsError(f"{broken[0]}{more}")


def _state(held: object, digest: str) -> str:
    from dataproducts.examples.kept import Kept

    if not isinstance(held, Kept) or held.digest != digest:
        return "not run since it changed" if held is not None else "never run"
    if held.failed_at is not None:
        return f"failed {held.failed_at.isoformat(timespec='minutes')}"
    return f"passed {held.passed_at.isoformat(timespec='minutes')}" if held.passed_at else "never run"
