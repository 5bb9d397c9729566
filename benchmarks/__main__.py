"""`python -m benchmarks`: run the benchmarks and print ours, the floor of the same run, their ratio and the target."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.measurement import Comparison, Size, machine
from benchmarks.peers import PeerFailed, Peers

_OF_DATA = ("bulk", "backfill", "commits", "read", "scd2", "sql", "personal", "erasure")
_OF_THE_REST = ("load", "publish", "catalog", "catalog_postgresql", "backfill_postgresql", "bigquery", "kafka_in", "kafka_out")
NAMES = (*_OF_DATA, *_OF_THE_REST)
ROUNDS = {"small": 1, "full": 5}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(NAMES), metavar="[NAME]...")
@click.option(
    "--size",
    type=click.Choice(["small", "full"]),
    default="full",
    show_default=True,
    help="Small only shows that all of it runs; the targets are for full.",
)
@click.option("--peers", is_flag=True, help="Run dlt, dbt and Dagster's DuckDB IO manager on the same work; installs them the first time.")
@click.option("--rounds", type=click.IntRange(1), help="Rounds per benchmark, of which the median counts; 1 for small, 5 for full.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(names: tuple[str, ...], size: Size, peers: bool, rounds: int | None, as_json: bool) -> None:
    """Measure the kit beside a floor in the same run. A missed target is information: the exit status stays 0.

    NAME is one of the topics of `benchmarks`; all of them by default.
    """
    found: list[Comparison] = []
    about = machine()
    if not as_json:
        print(", ".join(f"{name} {value}" for name, value in about.items()), flush=True)
    try:
        at_hand = Peers() if peers else None
        for name in names or NAMES:
            print(f"{name} ...", file=sys.stderr, flush=True)
            found += import_module(f"benchmarks.{name}").run(size, rounds or ROUNDS[size], at_hand)
    except PeerFailed as error:
        sys.exit(str(error))
    if as_json:
        print(json.dumps({"machine": about, "size": size, "comparisons": [c.as_dict() for c in found]}, indent=2))
    else:
        _show(found, size)


def _show(found: list[Comparison], size: Size) -> None:
    table = Table(box=box.SIMPLE)
    for heading in ("benchmark", "ours", "floor", "ratio", "target", "met", "who wins"):
        table.add_column(heading, justify="right" if heading in ("ours", "floor", "ratio", "target") else "left")
    for c in found:
        unit = "s" if c.target_is_seconds else "x"
        row = (_seconds(c.ours), _seconds(c.floor), f"{c.ratio:.2f} x", f"{c.target:g} {unit}", _met(c, size))
        table.add_row(c.name, *row, _order(c))
    Console(width=None if sys.stdout.isatty() else 140).print(table)
    for c in found:
        print(f"{c.name}: {c.what}; floor: {c.floor_is}")


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds >= 0.1 else f"{seconds:.5f} s"


def _met(comparison: Comparison, size: Size) -> str:
    if size == "small":
        return "-"  # of few rows the time is start-up, and the targets are for many
    return "yes" if comparison.is_met else "no"


def _order(comparison: Comparison) -> str:
    entrants: dict[str, Any] = {"ours": comparison.ours, "floor": comparison.floor, **comparison.peers}
    return ", ".join(f"{name} {entrants[name]:.2f}" for name in sorted(entrants, key=entrants.__getitem__))


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
