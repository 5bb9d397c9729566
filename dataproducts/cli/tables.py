"""Tables for people: through rich on a terminal, as aligned lines without color elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

import click

from dataproducts.masking import masked

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
NOTHING = "–"
_LONG = 100  # items from which plain progress is worth its lines
_SHORTEST = 8  # characters that a column is never cut below
_LEAST = 30  # characters a folded column needs to be readable beside the others
_COLORS = {"failed": "red", "damaged": "red", "breaking": "red", "new": "green", "intact": "green", "compatible": "yellow"}


@dataclass(frozen=True)
class Heading:
    """A column of a table. One not to `keep` is folded, or put below, where the terminal is narrow; a `state` is colored."""

    name: str
    side: Literal["left", "right"] = "left"
    keep: bool = True
    state: bool = False


def show(headings: Sequence[Heading], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on standard output; numbers get thousands separators, None becomes a dash."""
    cells = [[_cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        _on_terminal(headings, cells)
        return
    widths = _widths(headings, cells)
    for row in [[h.name for h in headings], *cells]:
        padded = [text.rjust(w) if h.side == "right" else text.ljust(w) for text, w, h in zip(row, widths, headings, strict=True)]
        click.echo("  ".join(padded).rstrip())


def note(text: str) -> None:
    """A line about what was shown or done, on standard error, where it does not mix with data."""
    if (logger := logging.getLogger("dataproducts")).handlers:  # the log is JSON, and so is this
        logger.info("%s", text)
    else:
        click.echo(click.style(masked(text), dim=True), err=True)


def track(items: Sequence[T], doing: str) -> Iterator[T]:
    """The items, with progress on standard error: a bar on a terminal, a plain line for every tenth of long work elsewhere."""
    if sys.stderr.isatty():
        from rich.progress import track as bar

        yield from bar(items, description=doing, console=console(error=True), transient=True)
        return
    tenth = max(len(items) // 10, _LONG // 10)
    for number, item in enumerate(items, 1):
        yield item
        if len(items) >= _LONG and number % tenth == 0:
            note(f"{doing}: {number:,} of {len(items):,}")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """ "1 row", "3,020 rows"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def console(*, error: bool = False) -> Console:
    """A rich console that leaves numbers and paths as they are."""
    from rich.console import Console

    return Console(stderr=error, highlight=False, soft_wrap=False)


def _on_terminal(headings: Sequence[Heading], cells: Sequence[Sequence[str]]) -> None:
    """Columns that do not fit go below their row, on a line of their own."""
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    screen = console()
    widths = _widths(headings, cells)
    needed = sum(w if h.keep else min(w, _LEAST) for w, h in zip(widths, headings, strict=True)) + 2 * len(headings)
    beside = [i for i, h in enumerate(headings) if h.keep or needed <= screen.width]
    kept = _fitted({i: widths[i] for i in beside if headings[i].keep}, screen.width)

    def table(*, header: bool) -> Table:
        made = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_header=header)
        for i in beside:
            h = headings[i]
            made.add_column(h.name, justify=h.side, no_wrap=h.keep, overflow="ellipsis" if h.keep else "fold", width=kept.get(i))
        return made

    body = table(header=True)
    for row in cells:
        body.add_row(*(Text(row[i], style=_style(row[i], headings[i])) for i in beside))
        below = "; ".join(f"{h.name}: {row[i]}" for i, h in enumerate(headings) if i not in beside and row[i] != NOTHING)
        if below:
            screen.print(body, Padding(Text(below, style="dim"), (0, 0, 0, 4)), sep="")
            body = table(header=False)
    if body.row_count or not cells:
        screen.print(body)


def _fitted(widths: dict[int, int], room: int) -> dict[int, int]:
    """Widths that fit, at the cost of the widest."""
    widths = dict(widths)
    while sum(widths.values()) + 2 * len(widths) > room and max(widths.values()) > _SHORTEST:
        widest = max(widths, key=lambda i: widths[i])
        widths[widest] -= 1
    return widths


def _widths(headings: Sequence[Heading], cells: Sequence[Sequence[str]]) -> list[int]:
    return [max([len(h.name), *(len(row[i]) for row in cells)]) for i, h in enumerate(headings)]


def _style(text: str, heading: Heading) -> str:
    if text == NOTHING:
        return "dim"
    return _COLORS.get(text, "") if heading.state else ""


def _cell(value: object) -> str:
    if value is None or value == "":
        return NOTHING
    return f"{value:,}" if type(value) is int else str(value)
