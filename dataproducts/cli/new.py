"""`dataproducts new` and `dataproducts init`: begin a product, or a code location around one."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from dataproducts.cli import tables
from dataproducts.scaffold import PATTERNS, Pattern

_WHAT = {
    "product.yaml": "who publishes what, why, and under which terms",
    "schemas.py": "the columns it promises, their types and rules",
    "datasets.py": "the datasets: one function each",
    "sandbox.py": "made-up messages, for the laptop and the tests",
    "source.py": "what stands in for the systems the rows come from",
    "borrowed.sql": "a dataset that is one SELECT",
    "most_borrowed.sql": "an example of use: a table",
    "loans_by_day.py": "an example of use: a plot",
    "workspace.yaml": "tells Dagster where the products are",
    "local.py": "what the datasets run against on a laptop",
    "product.schema.json": "helps an editor with product.yaml",
    ".gitignore": "leaves local data out of version control",
    "pyproject.toml": "what it needs, and how it is tested",
    "Makefile": "make up, make test",
    "README.md": "what a newcomer reads first",
}
_FIRST = {"simple": "readings", "kafka": None, "complete": "members"}
"""The dataset that can be materialized at once; none where something has to be sent first."""

_pattern = click.option(
    "--pattern",
    type=click.Choice(PATTERNS),
    default="simple",
    show_default=True,
    help="simple: one dataset. kafka: events of a topic, the state of each day, and an aggregate that leaves through ports. "
    "complete: datasets with personal data, their history, an open aggregate by SQL, a data package, examples of use.",
)


@click.command()
@click.argument("name", metavar="PRODUCT")
@_pattern
def new(name: str, pattern: Pattern) -> None:
    """Begin a product here, with datasets that work at once.

    Makes a folder under `assets`, a test, and what Dagster needs to find them. Nothing that exists is overwritten.
    """
    from datetime import date

    from dataproducts.scaffold import new_product

    root = Path.cwd()
    _told(f"the product {click.style(name, bold=True)}", root, new_product(name, root, date.today(), pattern))
    _next(_commands(name, pattern))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--product", help="Name of its first product; the folder's where it is not given.")
@_pattern
def init(folder: Path, product: str | None, pattern: Pattern) -> None:
    """Begin a code location of your own, with a first product.

    It has the shape of any other: `assets`, `resources`, `tests`, `workspace.yaml`, and `make up` and `make test`.
    """
    from datetime import date

    from dataproducts.scaffold import new_location, product_name

    name = product or product_name(folder.resolve().name)
    _told(f"a code location in {click.style(str(folder), bold=True)}", folder, new_location(folder, name, date.today(), pattern))
    tables.note("\nNext:")
    tables.note(f"  cd {shlex.quote(str(folder))}")
    for command in ("make up", "make test"):
        tables.note(f"  {command}")


def _told(what: str, root: Path, written: Sequence[Path]) -> None:
    told = [path for path in (path.relative_to(root) for path in written) if path.name != "__init__.py"]
    width = max(len(str(path)) for path in told)
    click.echo(f"Made {what}:")
    for path in told:
        about = _WHAT.get(path.name, "a test of its promises")
        click.echo(f"  {path!s:<{width}}  {click.style(about, dim=True)}")


def _commands(name: str, pattern: Pattern) -> list[str]:
    first = _FIRST[pattern]
    begin = [f"materialize {name}/{first}", f"read {name}/{first}"] if first else ["up"]
    return [*begin, f"contract freeze {name}"]


def _next(commands: Sequence[str]) -> None:
    tables.note("\nNext:")
    for command in commands:
        tables.note(f"  dataproducts {command}")
