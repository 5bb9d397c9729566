"""`dataproducts erase`: remove everything of somebody from a dataset and all that is made from it, and keep it out for ever."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataproducts.cli import tables
from dataproducts.cli.tables import Heading
from dataproducts.errors import HistoryError

if TYPE_CHECKING:
    from dataproducts.erasure.erasing import Report


@click.command()
@click.argument("name", metavar="PRODUCT/DATASET", required=False)
@click.option("--key", multiple=True, metavar="K", help="Whom: a value of the key column, or a JSON object of columns and values.")
@click.option("--keys-file", type=click.Path(path_type=Path), metavar="FILE", help="More of them, one a line.")
@click.option("--only-personal", is_flag=True, help="Rows stay, and the values of their personal columns go.")
@click.option("--reason", metavar="TEXT", help="Why, for the registry; without naming anybody.")
@click.option("--ground", default="", metavar="TEXT", help="The legal ground, for the registry.")
@click.option("--yes", is_flag=True, help="Do it. Without this, and without a terminal to ask at, only say what would go.")
@click.option("--resume", is_flag=True, help="Finish the erasures that were begun and interrupted.")
@click.option("--rematerialize", is_flag=True, help="Then make again what is made from these rows and does not hold the key.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def erase(
    name: str | None,
    key: tuple[str, ...],
    keys_file: Path | None,
    reason: str | None,
    ground: str,
    *,
    only_personal: bool,
    yes: bool,
    resume: bool,
    rematerialize: bool,
    as_json: bool,
) -> None:
    """Erase somebody from every version, and for ever.

    Rows go by key from a dataset and from all that is made from it. First says what would go. Who, why and on what ground is written to
    the registry, with a keyed hash of the key; every later commit, replay and backfill obeys it.
    """
    from dataproducts.erasure import erasing
    from dataproducts.erasure.here import here
    from dataproducts.erasure.keys import written

    if resume:
        if name or key or keys_file:
            raise click.UsageError("--resume finishes what was begun, and takes no dataset and no key")
        with here() as world:
            reports = erasing.resume(world, tables.note)
        _resumed(reports, as_json)
        return
    if not name:
        raise click.UsageError("Missing argument 'PRODUCT/DATASET'.")
    if not key and keys_file is None:
        raise click.UsageError("Say whom to erase, with --key or --keys-file.")
    if reason is None or not reason.strip():
        raise click.UsageError("Say why, with --reason; it is kept in the registry.")
    texts = written(key, keys_file)
    from dataproducts import settings

    settings.split_name(name)
    with here() as world:
        plan = erasing.plan(world, name, texts, only_personal=only_personal)
        erasing.refuse_telling(plan, reason, ground)
        if not yes:
            _show(plan.report, as_json, done=False)
            if not (sys.stdin.isatty() and sys.stdout.isatty()):
                tables.note("nothing was changed; --yes does it")
                return
            if not click.confirm(f"Erase {tables.count(plan.report.keys, 'key')} for good?"):
                tables.note("nothing was changed")
                return
        report = erasing.erase(plan, reason=reason.strip(), ground=ground.strip(), who=_who(), say=tables.note)
    _show(report, as_json, done=True)
    if report.unfinished:
        raise HistoryError(f"{report.unfinished[0]}; the erasure is begun, and `dataproducts erase --resume` finishes it")
    if rematerialize:
        _remake(report)


def _resumed(reports: list[Report], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([report.as_dict() for report in reports], ensure_ascii=False, indent=2))
    else:
        for report in reports:
            _show(report, as_json=False, done=True)
    if not reports:
        tables.note("there is no erasure to finish")
    if unfinished := next((text for report in reports for text in report.unfinished), None):
        raise HistoryError(f"{unfinished}; `dataproducts erase --resume` finishes the erasure when that is mended")


def _show(report: Report, as_json: bool, *, done: bool) -> None:
    if as_json:
        click.echo(json.dumps(report.as_dict(), ensure_ascii=False, indent=2))
        return
    headings = [
        Heading("place"),
        Heading("removed" if done else "found", "right"),
        Heading("versions", "right"),
        Heading("later", keep=False),
    ]
    rows: list[list[object]] = [[p.place, p.removed if done else p.found, p.versions or None, p.later] for p in report.places]
    tables.show(headings, rows)
    if report.is_known:
        tables.note("the registry knows of this already, and nothing of it is left")
    for name in report.untold:
        tables.note(f"{name} is made from these rows and has no column that tells whose they are; it is right when it is made again")
    if done and not report.unfinished:
        tables.note(f"done: {tables.count(report.keys, 'key')} of {report.dataset}, erasure {report.erasure[:12]}")


def _remake(report: Report) -> None:
    from dataproducts.cli.location import declared
    from dataproducts.cli.runs import Runs, dagster_instance

    with dagster_instance() as instance:
        for name in report.untold:
            dataset = declared()[name]
            keys = sorted(dataset.history().current()) if dataset.declaration.partitions is not None else []
            failed = [o for o in Runs(dataset, instance, tables.note).run(keys) if o.error]
            if failed:
                raise HistoryError(f"erased, but {failed[0].error}")
            tables.note(f"{name}: {tables.count(len(keys) or 1, 'partition')} made again")


def _who() -> str:
    import getpass

    return getpass.getuser()
