"""The `dataproducts` command. Each topic has a module of its own; what they import they import when they run."""

from __future__ import annotations

import click

from dataproducts import __version__
from dataproducts.cli.alerts import alerts
from dataproducts.cli.backup import backup, restore
from dataproducts.cli.catalog import catalog
from dataproducts.cli.contract import contract
from dataproducts.cli.doctor import doctor
from dataproducts.cli.erase import erase
from dataproducts.cli.examples import examples
from dataproducts.cli.group import Commands
from dataproducts.cli.listing import list_datasets
from dataproducts.cli.manifest import manifest
from dataproducts.cli.materialize import materialize
from dataproducts.cli.new import init, new
from dataproducts.cli.package import package
from dataproducts.cli.prune import prune
from dataproducts.cli.quarantine import quarantine
from dataproducts.cli.read import changes, read
from dataproducts.cli.reconcile import reconcile
from dataproducts.cli.run import run
from dataproducts.cli.up import up
from dataproducts.cli.versions import versions

__all__ = ["cli", "main"]


@click.group(cls=Commands)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Data products with a contract and a complete history.

    Run it where the products lie: the folder with `assets` and `workspace.yaml`.
    """


_READING = (versions, read, changes, quarantine, erase, contract, package, examples)
_KEEPING = (backup, restore, prune)
for command in (up, list_datasets, materialize, run, *_READING, reconcile, catalog, alerts, *_KEEPING, manifest, doctor, new, init):
    cli.add_command(command)


def main() -> None:
    """Run the command line and exit: 0, or 1 (2 for wrong usage) after one line that says what is wrong."""
    cli(prog_name="dataproducts")
