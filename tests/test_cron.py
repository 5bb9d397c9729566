"""Cron lines as Kubernetes takes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from dataproducts import cron

OSLO = ZoneInfo("Europe/Oslo")


@pytest.mark.parametrize(
    "line", ["* * * * *", "*/15 5-22 * * *", "0 5 * * mon-fri", "5 4 1,15 jan,JUL *", "0 0 29 2 *", "0 0 31 2 sun", "7/20 * * * *"]
)
def test_a_sound_line_has_no_fault(line: str) -> None:
    assert cron.fault(line) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("*/15 0 0 0 0", "the day of the month '0'"),
        ("0 5 * *", "4 of 5 fields"),
        ("@daily", "1 of 5 fields"),
        ("60 * * * *", "the minute '60'; write *, 0 to 59"),
        ("0 5 * * 7", "the day of the week '7'; write *, 0 to 6 or sun to sat"),
        ("0 0 L * *", "the day of the month 'L'"),
        ("0 0 30 2 *", "day 30 of months that have no such day"),
        ("5-1 * * * *", "the minute '5-1'"),
        ("*/0 * * * *", "the minute '*/0'"),
        ("١ * * * *", "the minute '١'"),
        ("1,, * * * *", "the minute ''"),
    ],
)
def test_a_fault_is_told_with_what_may_stand_there(line: str, said: str) -> None:
    assert said in str(cron.fault(line))


@pytest.mark.parametrize(
    ("line", "pause"),
    [
        ("3 * * * *", timedelta(hours=1)),
        ("* 5-22 * * *", timedelta(hours=6, minutes=1)),
        ("0 5 * * mon-fri", timedelta(days=3)),
        ("0 0 1 * *", timedelta(days=31)),
        ("0 0 13 * fri", timedelta(days=7)),
        ("0 0 29 2 *", timedelta(days=4 * 365 + 1)),
    ],
)
def test_the_longest_pause_is_that_between_two_ticks(line: str, pause: timedelta) -> None:
    assert cron.longest_pause(line) == pause


def test_the_last_tick_is_the_newest_that_has_been() -> None:
    def last(line: str, moment: datetime) -> datetime:
        return cron.last_tick(line, "Europe/Oslo", moment)

    moment = datetime(2026, 11, 27, 5, 14, 59, tzinfo=OSLO)
    assert last("*/15 5-22 * * *", moment) == datetime(2026, 11, 27, 5, 0, tzinfo=OSLO)
    assert last("*/15 5-22 * * *", datetime(2026, 11, 27, 4, 59, tzinfo=OSLO)) == datetime(2026, 11, 26, 22, 45, tzinfo=OSLO)
    assert last("0 5 * * mon", moment) == datetime(2026, 11, 23, 5, 0, tzinfo=OSLO)
    assert last("0 0 1 1 *", moment) == datetime(2026, 1, 1, tzinfo=OSLO)
    # 02:30 does not come on the night of 29 March, and the clock then says 03:30
    assert last("30 2 * * *", datetime(2026, 3, 29, 1, 31, tzinfo=UTC)).astimezone(UTC) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_it_agrees_with_dagsters_own_ticks() -> None:
    import dagster as dg

    for line in ("*/15 5-22 * * *", "10 0-6 * * *", "0 5 * * mon-fri", "0 0 1,15 * *"):
        ticks = dg.TimeWindowPartitionsDefinition(
            start=datetime(2026, 3, 1, tzinfo=OSLO), cron_schedule=line, fmt="%Y-%m-%d-%H:%M%z", timezone="Europe/Oslo"
        )
        window = ticks.get_first_partition_window()
        for _ in range(40):
            assert window is not None
            just_before = window.end.astimezone(UTC) - timedelta(seconds=1)
            assert cron.last_tick(line, "Europe/Oslo", just_before).astimezone(UTC) == window.start.astimezone(UTC)
            window = ticks.get_next_partition_window(window.end, respect_bounds=False)
