"""When the datasets are made: the schedule and the automation, ticked by hand against the sandbox register."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest

from assets.enhetsregisteret.datasets import product
from assets.enhetsregisteret.register import Register
from assets.enhetsregisteret.sandbox import Sandbox, World
from assets.enhetsregisteret.schedules import enhetsregisteret_daily
from dataproducts.definitions import build_defs
from dataproducts.errors import SourceError

OSLO_MORNING = 5  # hours UTC in November, when it is six in Oslo
BULK = ("enheter", "underenheter", "roller")
SPAN = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
HISTORY, OPPDATERINGER = (dg.AssetKey(["enhetsregisteret", name]) for name in ("enheter_historikk", "oppdateringer"))


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(World(units=60)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.heal()
    return running


@pytest.fixture
def register(sandbox: Sandbox) -> Iterator[Register]:
    with Register(sandbox.url, sleep=lambda _: None, timeout=5) as register:
        yield register


class Clock:
    """The schedule at moments of our choosing. Runs are recorded in memory: a check of a hundred rules takes seconds on SQLite."""

    def __init__(self, register: Any, instance: Any, shared_instance: Any) -> None:
        self.register, self.instance, self.persistent = register, instance, shared_instance
        self.definitions = build_defs({"register": register})
        self.repository = self.definitions.get_repository_def()
        self.said: list[str] = []

    def tick(self, moment: datetime) -> dict[str, str] | str:
        """What is requested, as dataset: partition or first..last, or why nothing is."""
        with dg.build_schedule_context(
            instance=self.persistent,
            scheduled_execution_time=moment,
            resources={"register": self.register},
            repository_def=self.repository,
        ) as context:
            self.said = []
            context.log.info = self.said.append  # type: ignore[method-assign]
            answer = enhetsregisteret_daily.evaluate_tick(context)
        requests = {}
        for request in answer.run_requests or []:
            part = request.partition_key or "..".join(request.tags[tag] for tag in SPAN)
            requests.update({key.path[-1]: part for key in request.asset_selection or []})
        self.keys = [request.run_key for request in answer.run_requests or []]
        return requests or str(answer.skip_message)

    def run(self, requested: dict[str, str]) -> None:
        """Run what was requested, as the daemon would."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        datasets = {name: [other for other in requested if requested[other] == requested[name]] for name in requested}
        for names in {tuple(together): together for together in datasets.values()}.values():
            first, _, last = requested[names[0]].partition("..")
            result = job.execute_in_process(
                instance=self.instance,
                asset_selection=[dg.AssetKey(["enhetsregisteret", name]) for name in names],
                partition_key=None if last else first,
                tags=dict(zip(SPAN, (first, last), strict=True)) if last else {},
            )
            assert result.success


@pytest.fixture
def clock(register: Register, instance: Any, shared_instance: Any) -> Clock:
    return Clock(register, instance, shared_instance)


def at(day: int, hour: int = OSLO_MORNING, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def day(number: int) -> str:
    return f"2026-11-{number:02}"


# The schedule


def test_todays_files_are_requested_when_the_register_has_built_them(clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 1))
    assert clock.tick(at(1)) == dict.fromkeys((*BULK, "organisasjonsformer"), day(1))


def test_while_the_file_is_still_yesterdays_the_schedule_waits_and_says_so(clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 1))
    clock.run({kind: day(1) for kind in BULK})
    clock.run({"oppdateringer": day(1)})
    answer = clock.tick(at(2))
    assert answer == " ".join(f"{kind}: the register's file is still of 2026-11-01; asked again at 06:15." for kind in BULK)


def test_a_day_of_events_is_requested_once_it_is_over(clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 2))
    requested = clock.tick(at(2))
    assert isinstance(requested, dict)
    assert requested["oppdateringer"] == day(1)


def test_missed_days_of_events_are_caught_up_in_one_run_and_the_gaps_only(clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 9))
    first = clock.tick(at(9))
    assert isinstance(first, dict)
    assert first["oppdateringer"] == f"{day(1)}..{day(8)}"
    clock.run({"oppdateringer": f"{day(3)}..{day(5)}"})
    again = clock.tick(at(9))
    assert [key.split(":")[1] for key in clock.keys if key.startswith("oppdateringer")] == [f"{day(1)}..{day(2)}", f"{day(6)}..{day(8)}"]
    assert isinstance(again, dict)
    clock.run({"oppdateringer": f"{day(1)}..{day(8)}"})
    last = clock.tick(at(9))
    assert isinstance(last, dict)
    assert "oppdateringer" not in last
    held = product.datasets["oppdateringer"].history().current()
    assert set(held) == {day(n) for n in range(1, 9)}
    assert sum(v.rows for v in held.values()) > 0


class Noon(datetime):
    """A clock that stopped at noon of the second."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return at(2, 12)


def test_a_day_of_events_that_was_fetched_before_it_was_over_is_fetched_again(
    clock: Clock, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it has been fetched after its end, also if that finds nothing new and makes no version."""
    clock.instance = clock.persistent
    sandbox.travel(date(2026, 11, 2))
    with monkeypatch.context() as patch:
        patch.setattr("dataproducts.history.store.datetime", Noon)
        clock.run({"oppdateringer": day(2)})
    clock.instance.wipe_assets([OPPDATERINGER])  # what Dagster recorded is of today, which is after that day
    requested = clock.tick(at(3))
    assert isinstance(requested, dict)
    assert requested["oppdateringer"] == f"{day(1)}..{day(2)}"
    clock.run({"oppdateringer": requested["oppdateringer"]})
    (version,) = product.datasets["oppdateringer"].history().versions(day(2))
    assert version.known_at == at(2, 12)
    again = clock.tick(at(3))
    assert "oppdateringer" not in again


def test_which_bulk_days_cannot_be_had_is_said_plainly(clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 3))
    clock.run({"enheter": day(3)})
    sandbox.travel(date(2026, 11, 5))
    clock.tick(at(5))
    assert clock.said == [
        "enheter: 3 days from 2026-11-01 to 2026-11-04 cannot be had any more, the register keeps only its newest file.",
        "underenheter: 4 days from 2026-11-01 to 2026-11-04 cannot be had any more, the register keeps only its newest file.",
        "roller: 4 days from 2026-11-01 to 2026-11-04 cannot be had any more, the register keeps only its newest file.",
    ]


def test_nothing_is_requested_when_all_is_in_place(clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 1))
    requested = clock.tick(at(1))
    assert isinstance(requested, dict)
    clock.run(requested)
    assert clock.tick(at(1, 6)) == "everything up to 2026-11-01 is in place"


def test_a_failed_attempt_is_repeated_within_the_hour_and_a_running_one_not_doubled(clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 1))
    keys = []
    for moment in (at(1, 5, 0), at(1, 5, 15), at(1, 6, 0)):
        clock.tick(moment)
        keys.append(clock.keys)
    assert keys[0] == keys[1]  # Dagster starts one run for one key
    assert not set(keys[0]) & set(keys[2])


def test_a_run_the_schedule_requests_can_be_had_and_makes_the_days_datasets(clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 2))
    requested = clock.tick(at(2))
    assert isinstance(requested, dict)
    clock.run(requested)
    for kind in BULK:
        assert list(product.datasets[kind].history().current()) == [day(2)]
    assert list(product.datasets["oppdateringer"].history().current()) == [day(1)]
    assert list(product.datasets["organisasjonsformer"].history().current()) == ["-"]


def test_a_register_that_cannot_be_reached_fails_the_tick_and_says_so(instance: Any, shared_instance: Any) -> None:
    with Register("http://127.0.0.1:9/enhetsregisteret/api", sleep=lambda _: None, attempts=2) as nobody:
        clock = Clock(nobody, instance, shared_instance)
        with pytest.raises(Exception) as error:
            clock.tick(at(1))
    cause: BaseException | None = error.value
    while cause is not None and not isinstance(cause, SourceError):
        cause = cause.__cause__
    assert "Enhetsregisteret cannot be reached at http://127.0.0.1:9/enhetsregisteret/api" in str(cause)
    assert "\n" not in str(cause)


def test_a_register_that_is_down_for_a_moment_does_not_fail_the_tick(clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 1))
    sandbox.inject("unavailable", "/enheter/lastned", times=2)
    assert isinstance(clock.tick(at(1)), dict)


def test_in_the_night_it_is_the_day_it_is_in_oslo(clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 3))
    requested = clock.tick(datetime(2026, 11, 2, 23, 30, tzinfo=UTC))
    assert isinstance(requested, dict)
    assert requested["enheter"] == day(3)
    assert requested["oppdateringer"] == f"{day(1)}..{day(2)}"


# Automation


class Automation:
    """Ticks of the automation, one after another."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.cursor = clock, None

    def tick(self) -> set[str]:
        result = dg.evaluate_automation_conditions(
            defs=self.clock.definitions,
            instance=self.clock.instance,
            asset_selection=dg.AssetSelection.assets(HISTORY),
            cursor=self.cursor,
        )
        self.cursor = result.cursor
        return set(result.get_requested_partitions(HISTORY))


@pytest.fixture
def automation(clock: Clock, sandbox: Sandbox) -> Automation:
    automation = Automation(clock)
    assert automation.tick() == set()
    return automation


def test_the_history_follows_its_snapshots_also_an_old_one_that_comes_late(automation: Automation, clock: Clock, sandbox: Sandbox) -> None:
    for number in (5, 3):
        sandbox.travel(date(2026, 11, number))
        clock.run({"enheter": day(number)})
        assert automation.tick() == {day(number)}
        assert automation.tick() == set()  # asked for once
        clock.run({"enheter_historikk": day(number)})
        assert automation.tick() == set()  # and not again when it is there


def test_the_history_is_not_asked_for_again_after_it_failed(automation: Automation, clock: Clock, sandbox: Sandbox, home: Any) -> None:
    sandbox.travel(date(2026, 11, 4))
    clock.run({"enheter": day(4)})
    assert automation.tick() == {day(4)}
    (home / "lake" / "enhetsregisteret" / "enheter").rename(home / "away")
    with pytest.raises(Exception, match="no partition '2026-11-04'"):
        clock.run({"enheter_historikk": day(4)})
    assert automation.tick() == set()
    assert automation.tick() == set()
    (home / "away").rename(home / "lake" / "enhetsregisteret" / "enheter")
    sandbox.travel(date(2026, 11, 5))
    clock.run({"enheter": day(5)})
    assert automation.tick() == {day(5)}  # the next day is its own matter


def test_a_snapshot_made_again_is_followed_again(automation: Automation, clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 4))
    for _ in range(2):
        clock.run({"enheter": day(4)})
        assert automation.tick() == {day(4)}
        clock.run({"enheter_historikk": day(4)})
        assert automation.tick() == set()


def test_other_datasets_do_not_set_the_history_off(automation: Automation, clock: Clock, sandbox: Sandbox) -> None:
    sandbox.travel(date(2026, 11, 4))
    clock.run({"underenheter": day(4), "organisasjonsformer": day(4)})
    assert automation.tick() == set()


def test_schedule_and_sensor_are_there_and_on(clock: Clock) -> None:
    repository = clock.repository
    assert repository.get_schedule_def("enhetsregisteret_daily").default_status is dg.DefaultScheduleStatus.RUNNING
    assert repository.get_sensor_def("enhetsregisteret_automation").default_status is dg.DefaultSensorStatus.RUNNING
    assert repository.get_schedule_def("enhetsregisteret_daily").execution_timezone == "Europe/Oslo"
