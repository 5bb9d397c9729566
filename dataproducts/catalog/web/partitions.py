"""Which partitions a dataset has, should have and failed to get: what its calendar and the table beside it show."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dataproducts.catalog.drawing.calendar import CAP, Cell, State
from dataproducts.catalog.reading import DatasetPage, PartitionRow
from dataproducts.catalog.web.templating import at, dataset_path

TOLD = 40
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MONTH = re.compile(r"\d{4}-\d\d(-01)?")


@dataclass(frozen=True)
class Line:
    """A partition in the table: its newest version, or why there is none."""

    partition: str
    state: State
    row: PartitionRow | None
    href: str | None
    error: str = ""


def lines(found: DatasetPage, now: datetime, to: Callable[[str], str]) -> list[Line]:
    """Partitions in order, oldest first, at most as many as a calendar shows; with those missing and those that failed."""
    stored = {row.partition: row for row in found.partitions}
    errors: dict[str, tuple[datetime, str]] = {}
    for failure in reversed([one for one in found.failures if not one.port]):
        for key, error in failure.errors.items():
            if key != "-" or found.body.partitions.kind == "none":
                errors[key] = (failure.at, error)
    whole = len(found.partitions) >= CAP  # then there may be older ones, of which nothing is known here
    keys = sorted({*stored, *errors, *_expected(found, now, min(stored) if whole and stored else None)})[-CAP:]
    base, query = dataset_path(found.body.name, "versions"), to("")
    return [_line(key, stored.get(key), errors.get(key), base, query) for key in keys]


def notable(found: list[Line]) -> list[Line]:
    """What the table beside the calendar tells, newest first: the newest, and of the older ones all that are not simply stored."""
    return [one for place, one in enumerate(reversed(found)) if place < TOLD or one.state != "stored"][: 3 * TOLD]


def _line(key: str, row: PartitionRow | None, failed: tuple[datetime, str] | None, base: str, query: str) -> Line:
    if row is None:
        return Line(key, "failed" if failed else "missing", None, None, failed[1] if failed else "")
    href = f"{base}{at(key)}/{row.number}{query}"
    if failed and failed[0] > row.at:
        return Line(key, "failed", row, href, failed[1])
    return Line(key, "quarantined" if row.refused else "stored", row, href)


def cells(found: list[Line]) -> list[Cell]:
    """The same for the calendar. A month that is written as its first day stands as the month."""
    months = bool(found) and all(_MONTH.fullmatch(one.partition) for one in found)
    return [
        Cell(
            one.partition[:7] if months else one.partition,
            one.state,
            one.row.rows if one.row else None,
            one.row.number if one.row else None,
            one.href,
        )
        for one in found
    ]


def _expected(found: DatasetPage, now: datetime, since: str | None) -> list[str]:
    """Keys that ought to be there by now: from the start declared, or the oldest stored, to the last one that has ended."""
    given, keys = found.body.partitions, [row.partition for row in found.partitions]
    pattern = {"daily": _DAY, "weekly": _DAY, "monthly": _MONTH}.get(given.kind)
    if pattern is None or not keys or not all(pattern.fullmatch(key) for key in keys):
        return list(given.keys[:CAP]) if given.kind == "static" else []
    zone = _zone(given.time_zone or found.body.time_zone)
    first = since or min([*keys, *([f"{given.start.astimezone(zone):%Y-%m-%d}"[: len(keys[0])]] if given.start else [])])
    today = now.astimezone(zone).date()
    if given.kind == "monthly":
        return _months(first, today, long=len(keys[0]) > 7)
    step = timedelta(days=7 if given.kind == "weekly" else 1)
    day = date.fromisoformat(min(keys) if given.kind == "weekly" else first)
    day = max(day, today - step * CAP) if given.kind == "daily" else day
    wanted: list[str] = []
    while day + step <= today and len(wanted) < 2 * CAP:
        wanted.append(day.isoformat())
        day += step
    return wanted


def _months(first: str, today: date, *, long: bool) -> list[str]:
    year, month = int(first[:4]), int(first[5:7])
    wanted: list[str] = []
    while (year, month) < (today.year, today.month) and len(wanted) < CAP:
        wanted.append(f"{year:04}-{month:02}" + ("-01" if long else ""))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return wanted


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
