"""`dataproducts backup` and `restore`: the catalog and the registry of erasures, in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from dataproducts.cli import tables


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
def backup(folder: Path) -> None:
    """Write the catalog and the registry of erasures to a FOLDER.

    Also while both are in use: it is the catalog of one moment. The folder is there when it is whole, and is never written over. The lake
    is not in it, nor the key of the registry.
    """
    from dataproducts.backup.taking import back_up

    made = back_up(folder, tables.note)
    size = sum(part.bytes for part in made.parts)
    click.echo(f"{folder}: {tables.count(len(made.parts), 'part')}, {size / 2**20:.1f} MiB, made at {made.made_at}")


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Put it in the place of what the catalog holds.")
def restore(folder: Path, *, replace: bool) -> None:
    """Bring a backup back, from SQLite or PostgreSQL to either.

    All of it is checked first, and the catalog changes at once or not at all. The registry of erasures is only added to, and whoever is
    erased is taken out of what is restored.
    """
    from dataproducts.backup.restoring import restore as bring_back

    done = bring_back(folder, replace=replace, say=tables.note)
    if done.erased:
        tables.note(f"{tables.count(done.erased, 'entry', 'entries')} changed, so that nobody who is erased came back")
    if done.lines:
        tables.note("`dataproducts erase --resume` carries out in this lake the erasures it did not know of")
    if done.manifest.catalog is not None:
        tables.note("to send the catalog what came after the backup, reset the cursor of the sensor publish_metadata in Dagster")
    click.echo(f"{folder} of {done.manifest.made_at} is restored: {tables.count(done.rows, 'row')}")
