"""The partition calendar: one cell per partition, in a grid a person can read dates from."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from markupsafe import Markup

from dataproducts.catalog.drawing.text import Language, clean, clip, coordinate, identifier, link, number, safe, width
from dataproducts.catalog.drawing.words import rows as rows_text
from dataproducts.catalog.drawing.words import say

State = Literal["stored", "unchanged", "missing", "failed", "quarantined"]
Grain = Literal["hourly", "daily", "monthly", "other"]
Stops = Literal["all", "notable", "none"]

CAP = 400
"""Cells drawn at most: 13 months of days, 16 days of hours."""
PITCH, SIZE, LEFT, TOP, FOOT = 24, 21, 74, 24, 34
NAMED = 36
"""Up to so many partitions without dates stand with their names."""

_PATTERNS: tuple[tuple[Grain, re.Pattern[str]], ...] = (
    ("hourly", re.compile(r"(\d{4}-\d\d-\d\d)[-T ](\d\d):?(?:\d\d)?")),
    ("daily", re.compile(r"(\d{4}-\d\d)-(\d\d)")),
    ("monthly", re.compile(r"(\d{4})-(\d\d)")),
)
_SLOTS: dict[Grain, tuple[range, frozenset[int]]] = {  # columns of the grid, and those that are written above it
    "hourly": (range(24), frozenset(range(0, 24, 3))),
    "daily": (range(1, 32), frozenset((1, 5, 10, 15, 20, 25, 30))),
    "monthly": (range(1, 13), frozenset(range(1, 13))),
}
_MARKS: dict[str, str] = {  # inside a cell of SIZE, from its corner
    "unchanged": "M7 8.7h7M7 12.3h7",
    "failed": "M7 7l7 7M14 7l-7 7",
    "quarantined": "M10.5 5.8v6M10.5 15.2v.01",
}


@dataclass(frozen=True)
class Cell:
    """One partition: its key, what became of it, its rows and version if stored, and where that version is shown."""

    partition: str
    state: State
    rows: int | None = None
    version: int | None = None
    href: str | None = None


def grain_of(partitions: Sequence[str]) -> Grain:
    """What the keys are: dates with hours, dates, months, or names."""
    for grain, pattern in _PATTERNS:
        if partitions and all(pattern.fullmatch(key) for key in partitions):
            slots = _SLOTS[grain][0]
            if all(int(match[2]) in slots for key in partitions if (match := pattern.fullmatch(key))):
                return grain
    return "other"


def calendar(
    cells: Sequence[Cell],
    *,
    id: str,
    language: Language,
    grain: Grain | None = None,
    cap: int = CAP,
    stops: Stops = "notable",
    described_by: str | None = None,
) -> Markup:
    """The partitions as a grid: months by days, days by hours, years by months; names in columns or a strip. Oldest first.

    Of more than `cap` cells the last are drawn, and a note says so. Lightness tells the rows, in five steps from zero to the 95th
    percentile. With `stops` "notable" the tab key stops at cells that need attention and at the newest: a year of stops is a trap, and
    the page's table of versions has a link for each.
    """
    if not cells:
        return Markup('<p class="dp-empty">{}</p>').format(say("no partitions", language))
    total, cells = len(cells), cells[-cap:]
    grain = grain or grain_of([cell.partition for cell in cells])
    levels = _levels(cells)
    places, labels, wide, high = _places(cells, grain)
    name = identifier(id)
    description = f' aria-describedby="{safe(described_by)}"' if described_by else ""
    note = say("latest of", language, n=number(len(cells), language), total=number(total, language)) if total > len(cells) else ""
    legend, legend_wide = _legend(cells, language, high + 12)
    wide = max(wide, legend_wide, LEFT + 24 * PITCH if note else 0)
    full = high + FOOT + (18 if note else 0)
    parts = [
        f'<svg class="dp-calendar" role="group" aria-labelledby="{name}-title"{description} xmlns="http://www.w3.org/2000/svg" '
        f'width="{wide}" height="{full}" viewBox="0 0 {wide} {full}"><title id="{name}-title">{safe(say("partitions", language))}</title>',
        *labels,
    ]
    for place, (cell, level, (x, y)) in enumerate(zip(cells, levels, places, strict=True)):
        notable = cell.state in ("missing", "failed", "quarantined") or place == len(cells) - 1
        stop = stops == "all" or (stops == "notable" and notable)
        parts.append(_cell(cell, level, x, y, language, stop))
        if grain == "other" and len(cells) <= NAMED:
            parts.append(f'<text class="dp-name" x="{x + SIZE + 8}" y="{y + 15}">{safe(clip(cell.partition, 128, 12.5))}</text>')
    parts.append(legend)
    if note:
        parts.append(f'<text x="0" y="{full - 4}">{safe(note)}</text>')
    parts.append("</svg>")
    return Markup("".join(parts))


def _levels(cells: Sequence[Cell]) -> list[int]:
    """0 for no rows, else 1 to 5: the share of the 95th percentile, so that one huge partition does not blanch the rest."""
    counts = sorted(cell.rows for cell in cells if cell.rows and cell.rows > 0)
    full = counts[ceil(len(counts) * 0.95) - 1] if counts else 1
    return [min(5, max(1, ceil(5 * cell.rows / full))) if cell.rows and cell.rows > 0 else 0 for cell in cells]


def _places(cells: Sequence[Cell], grain: Grain) -> tuple[list[tuple[int, int]], list[str], int, int]:
    """Corner of each cell, the labels around them, and the size of it."""
    if grain == "other":
        named = len(cells) <= NAMED
        step, across = (176, 4) if named else (PITCH, 31)
        spots = [(place % across * step, place // across * (PITCH + (6 if named else 0))) for place in range(len(cells))]
        return spots, [], min(len(cells), across) * step, spots[-1][1] + PITCH
    pattern = dict(_PATTERNS)[grain]
    slots, written = _SLOTS[grain]
    keys = [match.groups() for cell in cells if (match := pattern.fullmatch(cell.partition))]
    if len(keys) != len(cells):
        return _places(cells, "other")
    lines = {key: line for line, key in enumerate(sorted({key for key, _ in keys}))}
    spots = [(LEFT + (int(slot) - slots[0]) * PITCH, TOP + lines[key] * PITCH) for key, slot in keys]
    labels = [
        f'<text x="{LEFT + (slot - slots[0]) * PITCH + SIZE / 2:g}" y="12" text-anchor="middle">{slot:02d}</text>'
        for slot in slots
        if slot in written
    ]
    labels += [f'<text x="0" y="{TOP + line * PITCH + 15}">{key}</text>' for key, line in lines.items()]
    taken = {(key, int(slot)) for key, slot in keys}
    dots = "".join(
        f"M{coordinate(LEFT + (slot - slots[0]) * PITCH + SIZE / 2)} {coordinate(TOP + line * PITCH + SIZE / 2)}h.01"
        for key, line in lines.items()
        for slot in slots
        if (key, slot) not in taken and (grain != "daily" or slot <= _days(key))
    )
    return spots, [*labels, f'<path class="dp-none" d="{dots}"/>'] if dots else labels, LEFT + len(slots) * PITCH, TOP + len(lines) * PITCH


def _days(month: str) -> int:
    year, of_year = int(month[:4]), int(month[5:])
    return monthrange(year, of_year)[1] if year and 1 <= of_year <= 12 else 31


def _cell(cell: Cell, level: int, x: int, y: int, language: Language, stop: bool) -> str:
    said = [rows_text(cell.rows, language)] if cell.rows is not None else []
    said += [f"{say('version', language)} {cell.version}"] if cell.version is not None else []
    said += [] if cell.state == "stored" and said else [say(cell.state, language)]
    title = safe(f"{clean(cell.partition)}: {', '.join(said)}")
    state = cell.state if cell.state in ("stored", "unchanged", "missing", "failed", "quarantined") else "missing"
    shaded = f" dp-l{level}" if state in ("stored", "unchanged") else ""
    inside = _square(state, x, y)
    address = link(cell.href)
    if address is None:
        return f'<g class="dp-{state}{shaded}"><title>{title}</title>{inside}</g>'
    reach = "" if stop else ' tabindex="-1"'
    return f'<a class="dp-{state}{shaded}" href="{address}"{reach}><title>{title}</title>{inside}</a>'


def _square(state: str, x: float, y: float) -> str:
    mark = _MARKS.get(state)
    square = f'<rect class="dp-cell" x="{x + 0.5:g}" y="{y + 0.5:g}" width="{SIZE - 1}" height="{SIZE - 1}" rx="5"/>'
    return square + (f'<path class="dp-mark" transform="translate({x:g} {y:g})" d="{mark}"/>' if mark else "")


def _legend(cells: Sequence[Cell], language: Language, y: int) -> tuple[str, int]:
    """The states that occur and the scale of lightness, as a line below; how wide it is."""
    parts: list[str] = []
    x = 0.0
    present = {cell.state for cell in cells}

    def write(text: str) -> None:
        nonlocal x
        parts.append(f'<text x="{coordinate(x)}" y="{y + 15}">{safe(text)}</text>')
        x += width(text, 12.5) + 18

    if any(cell.rows for cell in cells):
        write(say("fewer", language))
        x -= 8
        for level in range(1, 6):
            parts.append(f'<g class="dp-l{level}">{_square("stored", round(x), y)}</g>')
            x += SIZE + 3
        x += 5
        write(say("greater", language))
    for state in ("unchanged", "missing", "failed", "quarantined"):
        if state in present:
            shade = " dp-l2" if state == "unchanged" else ""
            parts.append(f'<g class="dp-{state}{shade}">{_square(state, round(x), y)}</g>')
            x += SIZE + 7
            write(say(state, language))
    return f'<g aria-hidden="true">{"".join(parts)}</g>', ceil(x)
