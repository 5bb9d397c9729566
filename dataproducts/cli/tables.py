"""Tables for people: through rich on a terminal, as aligned lines without color elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console

NOTHING = "–"
_COLORS = {"failed": "red", "damaged": "red", "breaking": "red", "new": "green", "intact": "green", "compatible": "yellow"}


@dataclass(frozen=True)
class Heading:
    """A column of a table. `keep` columns are never cut short where the terminal is narrow."""

    name: str
    side: Literal["left", "right"] = "left"
    keep: bool = True


def show(headings: Sequence[Heading], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on standard output; numbers get thousands separators, None becomes a dash."""
    cells = [[_cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _on_terminal(headings, cells)
        return
    widths = [max(len(h.name), *(len(row[i]) for row in cells)) if cells else len(h.name) for i, h in enumerate(headings)]
    for row in [[h.name for h in headings], *cells]:
        padded = [text.rjust(w) if h.side == "right" else text.ljust(w) for text, w, h in zip(row, widths, headings, strict=True)]
        click.echo("  ".join(padded).rstrip())


def note(text: str) -> None:
    """A line about what was shown or done, on standard error, where it does not mix with data."""
    click.echo(click.style(text, dim=True), err=True)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """ "1 row", "3,020 rows"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def console(*, error: bool = False) -> Console:
    """A rich console that leaves numbers and paths as they are."""
    from rich.console import Console

    return Console(stderr=error, highlight=False, soft_wrap=False)


def _on_terminal(headings: Sequence[Heading], cells: Sequence[Sequence[str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading.name, justify=heading.side, no_wrap=heading.keep, overflow="ellipsis" if heading.keep else "fold")
    for row in cells:
        table.add_row(*(Text(text, style="dim" if text == NOTHING else _COLORS.get(text, "")) for text in row))
    console().print(table)


def _cell(value: object) -> str:
    if value is None or value == "":
        return NOTHING
    return f"{value:,}" if type(value) is int else str(value)
