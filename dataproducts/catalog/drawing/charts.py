"""Small charts of a dataset: rows over partitions, frequent values, the spread of a column, checks over time, sparklines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal, TypeGuard

from markupsafe import Markup

from dataproducts.catalog.drawing.text import Language, clean, clip, coordinate, link, number, percent, safe, shown, width
from dataproducts.catalog.drawing.words import rows as rows_text
from dataproducts.catalog.drawing.words import say

POINTS = 600
"""Points drawn at most; of more, the lowest and the highest of each stretch are."""
RUNS = 90
"""Runs shown at most in a history of checks: the last ones."""

Outcome = Literal["pass", "warn", "fail", "error"]


@dataclass(frozen=True)
class Point:
    """A figure of a partition; None where there is none, which breaks the line."""

    partition: str
    value: float | None


@dataclass(frozen=True)
class CheckRun:
    """One run of a check: when or of what partition, as text; how it went; where it is shown."""

    label: str
    outcome: Outcome
    href: str | None = None


@dataclass(frozen=True)
class Spread:
    """What a profile knows of a column. `missing` is a share between 0 and 1; `quartiles` are three numbers; `bins` are counts."""

    smallest: Any = None
    largest: Any = None
    missing: float = 0.0
    quartiles: tuple[float, float, float] | None = None
    bins: tuple[int, ...] = ()


def rows_chart(points: Sequence[Point], *, language: Language, wide: int = 640, high: int = 168) -> Markup:
    """Line and area of rows over partitions, oldest first; lowest and highest are written, each point tells itself when pointed at.

    The scale begins at zero, unless everything lies within the upper half of it: then just below the lowest.
    """
    title = say("rows over partitions", language)
    known = [value for point in points if _is_figure(value := point.value)]
    if not known:
        return Markup('<p class="dp-empty">{}</p>').format(say("no figures", language))
    points = _thinned(points)
    low, high_value = min(known), max(known)
    floor = low - (high_value - low) * 0.25 if low > high_value / 2 and high_value > low else min(0.0, low)
    ceiling = high_value if high_value > floor else floor + 1
    left, right, top, bottom = 10.0, wide - 10.0, 30.0, high - 26.0
    across = (right - left) / max(1, len(points) - 1)

    spots: list[tuple[float, float] | None] = [
        (left + place * across if len(points) > 1 else wide / 2, bottom - (bottom - top) * (value - floor) / (ceiling - floor))
        if _is_figure(value)
        else None
        for place, value in enumerate(point.value for point in points)
    ]
    parts = [
        _opening("dp-chart", wide, high, f"{title}. {_extremes(low, high_value, language)}"),
        f'<path class="dp-grid" d="M0 {bottom + 0.5:g}H{wide}"/>',
    ]
    for stretch in _stretches(spots):
        line = "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in stretch)
        if len(stretch) == 1:
            parts.append(f'<circle class="dp-last" cx="{coordinate(stretch[0][0])}" cy="{coordinate(stretch[0][1])}" r="2"/>')
            continue
        ends = f"L{coordinate(stretch[-1][0])} {coordinate(bottom)}L{coordinate(stretch[0][0])} {coordinate(bottom)}Z"
        parts.append(f'<path class="dp-area" d="M{line}{ends}"/><path class="dp-stroke" d="M{line}"/>')
    for place, word in _marked(points, spots, low, high_value):
        spot = spots[place]
        if spot is not None:
            below = word == "lowest" and spot[1] + 20 < bottom
            parts.append(_extreme(spot, say(word, language), points[place].value or 0, language, wide, below))
    for place, point in enumerate(points):
        start, end = max(0.0, left + (place - 0.5) * across), min(float(wide), left + (place + 0.5) * across)
        said = rows_text(round(point.value), language) if _is_figure(point.value) else say("missing", language)
        parts.append(
            f'<rect class="dp-slice" x="{coordinate(start)}" y="{coordinate(top - 8)}" width="{coordinate(max(0.1, end - start))}" '
            f'height="{coordinate(bottom - top + 8)}"><title>{safe(point.partition)}: {safe(said)}</title></rect>'
        )
    parts.append(f'<text x="{coordinate(left)}" y="{high - 8}">{safe(clip(points[0].partition, wide / 2 - 20, 11.5))}</text>')
    if len(points) > 1:
        last = safe(clip(points[-1].partition, wide / 2 - 20, 11.5))
        parts.append(f'<text x="{coordinate(right)}" y="{high - 8}" text-anchor="end">{last}</text>')
    return Markup("".join([*parts, "</svg>"]))


def sparkline(values: Sequence[float | None], *, label: str, wide: int = 96, high: int = 24) -> Markup:
    """A line the height of a text line; `label` is what it says to those who do not see it."""
    points = _thinned([Point("", value) for value in values])
    known = [value for point in points if _is_figure(value := point.value)]
    parts = [_opening("dp-spark", wide, high, label)]
    if known:
        low, span = min(known), (max(known) - min(known)) or 1
        flat = max(known) == min(known)
        across = (wide - 8) / max(1, len(points) - 1)
        spots: list[tuple[float, float] | None] = [
            (4 + place * across, high / 2 if flat else high - 4 - (high - 8) * (value - low) / span) if _is_figure(value) else None
            for place, value in enumerate(point.value for point in points)
        ]
        for stretch in _stretches(spots):
            parts.append(f'<path class="dp-stroke" d="M{"L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in stretch)}"/>')
        end = next(spot for spot in reversed(spots) if spot is not None)
        parts.append(f'<circle class="dp-last" cx="{coordinate(end[0])}" cy="{coordinate(end[1])}" r="2.5"/>')
    return Markup("".join([*parts, "</svg>"]))


def bars(values: Sequence[tuple[Any, int]], *, total: int, language: Language, wide: int = 360) -> Markup:
    """The most frequent values with a bar for their share of `total`, their count and the share in words."""
    figures = [(shown(value, language), count, count / total if total > 0 else 0.0) for value, count in values]
    said = [f"{number(count, language)} ({percent(share, language)})" for _, count, share in figures]
    room = max((width(text, 11.5) for text in said), default=0) + 14
    step, label_room = 40, wide - room
    parts = [_opening("dp-bars", wide, max(1, step * len(figures)), say("frequent", language))]
    for place, ((text, _, share), figure) in enumerate(zip(figures, said, strict=True)):
        top = place * step
        filled = max(3.0, wide * min(1.0, share)) if share > 0 else 0.0
        parts.append(
            f"<g><title>{safe(text)}: {safe(figure)}</title>"
            f'<text class="dp-label" x="0" y="{top + 15}">{safe(clip(text, label_room, 12))}</text>'
            f'<text x="{wide}" y="{top + 15}" text-anchor="end">{safe(figure)}</text>'
            f'<rect class="dp-track" x="0" y="{top + 22}" width="{wide}" height="6" rx="3"/>'
            + (f'<rect class="dp-fill" x="0" y="{top + 22}" width="{coordinate(filled)}" height="6" rx="3"/>' if filled else "")
            + "</g>"
        )
    return Markup("".join([*parts, "</svg>"]))


def spread_chart(spread: Spread, *, language: Language, wide: int = 240) -> Markup:
    """From the smallest to the largest value: bins or a box if known, else a line; below it how much is filled in, the rest hatched."""
    low, high = shown(spread.smallest, language), shown(spread.largest, language)
    known = spread.smallest is not None and spread.largest is not None
    missing = min(1.0, max(0.0, spread.missing))
    absent = say("absent", language, share=percent(missing, language)) if missing else say("full", language)
    said = f"{say('range', language, low=low, high=high)}. {absent}" if known else absent
    top = 34 if known else 0
    parts = [_opening("dp-spread", wide, top + (18 if known else 0) + 30, said)]
    if known:
        parts += [_middle(spread, wide), f'<text x="0" y="{top + 13}">{safe(clip(low, wide / 2 - 8, 11.5))}</text>']
        parts.append(f'<text x="{wide}" y="{top + 13}" text-anchor="end">{safe(clip(high, wide / 2 - 8, 11.5))}</text>')
        top += 18
    filled = wide * (1 - missing)
    if 0 < missing < 1:
        filled = min(wide - 3.0, max(3.0, filled))
    parts.append(f'<rect class="dp-track" x="0" y="{top + 4}" width="{wide}" height="6" rx="3"/>')
    if filled:
        parts.append(f'<rect class="dp-fill" x="0" y="{top + 4}" width="{coordinate(filled)}" height="6" rx="3"/>')
    strokes = "".join(f"M{x} {top + 10}l4 -6" for x in range(int(filled) + 2, wide - 3, 5))
    if strokes:
        parts.append(f'<path class="dp-lost" d="{strokes}"/>')
    parts.append(f'<text x="0" y="{top + 24}">{safe(absent)}</text></svg>')
    return Markup("".join(parts))


def check_history(runs: Sequence[CheckRun], *, language: Language, described_by: str | None = None) -> Markup:
    """One mark per run, oldest first: high and plain for passed, with a sign for warned and failed, dashed where it could not run."""
    runs = runs[-RUNS:]
    if not runs:
        return Markup('<p class="dp-empty">{}</p>').format(say("checks none", language))
    step, tall = 14, 26
    description = f' aria-describedby="{safe(described_by)}"' if described_by else ""
    counts = ", ".join(
        f"{number(count, language)} {say(outcome, language)}"
        for outcome in ("pass", "warn", "fail", "error")
        if (count := sum(run.outcome == outcome for run in runs))
    )
    name = f"{say('checks', language)}: {counts}"
    parts = [
        f'<svg class="dp-history" role="group" aria-label="{safe(name)}"{description} xmlns="http://www.w3.org/2000/svg" '
        f'width="{len(runs) * step}" height="{tall + 2}" viewBox="0 0 {len(runs) * step} {tall + 2}">'
    ]
    for place, run in enumerate(runs):
        outcome = run.outcome if run.outcome in ("pass", "warn", "fail", "error") else "error"
        x, middle = place * step + 1, tall / 2 + 1
        body = f'<rect class="dp-run" x="{x + 0.5}" y="1.5" width="{step - 3}" height="{tall - 1}" rx="4"/>'
        centre = x + 0.5 + (step - 3) / 2
        if outcome == "warn":
            body += f'<path class="dp-run-mark" d="M{centre:g} {middle - 5:g}v5.5M{centre:g} {middle + 4.5:g}v.01"/>'
        elif outcome == "fail":
            body += f'<path class="dp-run-mark" d="M{centre - 2.5:g} {middle - 2.5:g}l5 5m0 -5l-5 5"/>'
        elif outcome == "error":
            body += f'<path class="dp-run-mark" d="M{centre - 2:g} {middle:g}h4"/>'
        said = safe(f"{clean(run.label)}: {say(outcome, language)}")
        address = link(run.href)
        if address is None:
            parts.append(f'<g class="dp-{outcome}"><title>{said}</title>{body}</g>')
        else:
            reach = ' tabindex="-1"' if outcome == "pass" and place < len(runs) - 1 else ""
            parts.append(f'<a class="dp-{outcome}" href="{address}"{reach}><title>{said}</title>{body}</a>')
    return Markup("".join([*parts, "</svg>"]))


def _opening(classes: str, wide: int, high: int, name: str) -> str:
    return (
        f'<svg class="{classes}" role="img" aria-label="{safe(name)}" xmlns="http://www.w3.org/2000/svg" '
        f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">'
    )


def _is_figure(value: float | None) -> TypeGuard[float]:
    return value is not None and isfinite(value)


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """At most POINTS of them: first, last, and the extremes of each stretch, so that no dip disappears."""
    if len(points) <= POINTS:
        return points
    stretches = (POINTS - 2) // 2
    inner = range(1, len(points) - 1)
    kept = {0, len(points) - 1}
    for stretch in range(stretches):
        part = inner[stretch * len(inner) // stretches : (stretch + 1) * len(inner) // stretches]
        known = [(points[place].value or 0.0, place) for place in part if _is_figure(points[place].value)]
        kept |= {min(known)[1], max(known)[1]} if known else {part[0]}
    return [points[place] for place in sorted(kept)]


def _stretches(spots: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    stretches: list[list[tuple[float, float]]] = [[]]
    for spot in spots:
        if spot is not None:
            stretches[-1].append(spot)
        elif stretches[-1]:
            stretches.append([])
    return [stretch for stretch in stretches if stretch]


def _extremes(low: float, high: float, language: Language) -> str:
    return f"{say('lowest', language)} {shown(low, language)}, {say('highest', language)} {shown(high, language)}"


def _marked(points: Sequence[Point], spots: Sequence[tuple[float, float] | None], low: float, high: float) -> list[tuple[int, str]]:
    """Where the lowest and the highest are written: the last of equals, for what is recent matters more."""
    known = [place for place, spot in enumerate(spots) if spot is not None]
    top = max(place for place in known if points[place].value == high)
    if low == high:
        return [(top, "highest")]
    return [(max(place for place in known if points[place].value == low), "lowest"), (top, "highest")]


def _extreme(spot: tuple[float, float], word: str, value: float, language: Language, wide: int, below: bool) -> str:
    x, y = spot
    text = shown(value, language)
    room = width(text, 12) / 2 + 2
    at = min(max(x, room), wide - room)
    return (
        f'<circle class="dp-point" cx="{coordinate(x)}" cy="{coordinate(y)}" r="3.5"><title>{safe(word)}: {safe(text)}</title></circle>'
        f'<text class="dp-value" x="{coordinate(at)}" y="{coordinate(y + 18 if below else y - 10)}" text-anchor="middle">'
        f"{safe(text)}</text>"
    )


def _middle(spread: Spread, wide: int) -> str:
    """Bins if there are any, else a box of quartiles, else a line with ends."""
    if spread.bins and max(spread.bins) > 0:
        most, each = max(spread.bins), wide / len(spread.bins)
        return "".join(
            f'<rect class="dp-bin" x="{coordinate(place * each)}" y="{coordinate(32 - tall)}" width="{coordinate(max(0.5, each - 1.5))}" '
            f'height="{coordinate(tall)}" rx="1.5"/>'
            for place, count in enumerate(spread.bins)
            if count > 0 and (tall := max(1.5, 28 * count / most))
        )
    line = f'<path class="dp-whisker" d="M1 12v12M{wide - 1} 12v12M1 18H{wide - 1}"/>'
    low, high = spread.smallest, spread.largest
    if spread.quartiles is None or not all(isinstance(end, (int, float)) and isfinite(end) for end in (low, high)) or high <= low:
        return line
    first, median, third = (2 + (wide - 4) * min(1.0, max(0.0, (value - low) / (high - low))) for value in spread.quartiles)
    return (
        f'{line}<rect class="dp-quartiles" x="{coordinate(first)}" y="9" width="{coordinate(max(1.0, third - first))}" height="18" rx="4"/>'
        f'<path class="dp-median" d="M{coordinate(median)} 9v18"/>'
    )
