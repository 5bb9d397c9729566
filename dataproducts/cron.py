"""Cron lines as Kubernetes reads them: minute, hour, day of the month, month and day of the week, and nothing beyond."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from itertools import pairwise
from zoneinfo import ZoneInfo

from dataproducts.errors import DeclarationError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 6, _DAYS),
)
_FIRST_DAY, _SPAN = date(2024, 1, 1), 5 * 365 + 2  # five years that begin and end with a leap year


def fault(line: str) -> str | None:
    """What Kubernetes would refuse in a cron line, or would never come to; None where it is sound."""
    fields = line.split()
    if len(fields) != len(_FIELDS):
        return f"has {len(fields)} of 5 fields: minute, hour, day of the month, month, day of the week"
    for text, (name, low, high, names) in zip(fields, _FIELDS, strict=True):
        for part in text.split(","):
            if _values(part, low, high, names) is None:
                words = f" or {names[0]} to {names[-1]}" if names else ""
                return f"has the {name} {part!r}; write *, {low} to {high}{words}, a range such as {low}-{high}, or a step such as */2"
    if not _days(fields):
        return f"names day {fields[2]} of months that have no such day"
    return None


def sound_lines(given: str | Sequence[str], where: str) -> list[str]:
    """The lines of a schedule, which may have several. Raises DeclarationError for one with a fault."""
    lines = [given] if isinstance(given, str) else list(given)
    for line in lines:
        if (wrong := fault(line)) is not None:
            raise DeclarationError(f"{where} has the cron line {line!r}, which {wrong}")
    return lines


def longest_pause(line: str) -> timedelta:
    """The longest time between two ticks of a sound line that follow each other, by the clock on the wall."""
    fields = line.split()
    times, days = _times(fields), _days(fields)
    within = [later - sooner for sooner, later in pairwise(times)]
    between = [timedelta(days=(later - sooner).days) + times[0] - times[-1] for sooner, later in pairwise(days)]
    return max([*within, *between])


def patience(line: str, deadline_minutes: int) -> timedelta:
    """The longest that may lie between two runs of a sound line: as late as their deadline lets them be, in the night the clock changes."""
    return longest_pause(line) + timedelta(hours=1, minutes=deadline_minutes)


def in_words(span: timedelta) -> str:
    """ "3 days", "26 hours", "1 hour"."""
    hours = max(1, int(span.total_seconds() // 3600))
    return f"{hours // 24} days" if hours >= 72 else f"{hours} hour{'' if hours == 1 else 's'}"


def last_tick(line: str, time_zone: str, moment: datetime) -> datetime:
    """The newest tick of a sound line that is not after a moment, in the time zone."""
    fields, zone = line.split(), ZoneInfo(time_zone)
    times, has_ticks = _times(fields)[::-1], _has_ticks(fields)
    day = moment.astimezone(zone).date()
    while True:
        for time in times if has_ticks(day) else ():
            tick = datetime.combine(day, clock(), zone) + time  # wall time, whatever the clock does that night
            if tick.astimezone(UTC) <= moment:
                return tick
        day -= timedelta(days=1)


def _times(fields: list[str]) -> list[timedelta]:
    """The times of a day that has ticks, from midnight."""
    hours, minutes = _all_values(fields, 1), _all_values(fields, 0)
    return sorted(timedelta(hours=hour, minutes=minute) for hour in hours for minute in minutes)


def _days(fields: list[str]) -> list[date]:
    """The days of five years on which there are ticks."""
    days = (_FIRST_DAY + timedelta(days=number) for number in range(_SPAN))
    return list(filter(_has_ticks(fields), days))


def _has_ticks(fields: list[str]) -> Callable[[date], bool]:
    of_month, months, of_week = (_all_values(fields, at) for at in (2, 3, 4))
    either = not fields[2].startswith("*") and not fields[4].startswith("*")  # then one of the two is enough

    def has_ticks(day: date) -> bool:
        fits_month, fits_week = day.day in of_month, day.isoweekday() % 7 in of_week
        return day.month in months and ((fits_month or fits_week) if either else (fits_month and fits_week))

    return has_ticks


def _all_values(fields: list[str], at: int) -> set[int]:
    _, low, high, names = _FIELDS[at]
    return {value for part in fields[at].split(",") for value in _values(part, low, high, names) or ()}


def _values(part: str, low: int, high: int, names: tuple[str, ...]) -> set[int] | None:
    """The numbers that a part of a field stands for; None where it is none."""
    span, slash, step = part.partition("/")
    if slash and not (step.isascii() and step.isdecimal() and 1 <= int(step) <= high):
        return None
    begin, dash, end = (str(low), "-", str(high)) if span == "*" else span.partition("-")
    first = _number(begin, low, names)
    last = _number(end, low, names) if dash else high if slash else first
    if first is None or last is None or not low <= first <= last <= high:
        return None
    return set(range(first, last + 1, int(step or 1)))


def _number(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text.lower() in names:
        return names.index(text.lower()) + low
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else None
