"""The schedules of a product: what they ask for at a moment, run in this process as Dagster's daemon would have it run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dataproducts.cli.runs import LOGGER, failure_sentence, told_logger
from dataproducts.cron import last_tick, sound_lines

if TYPE_CHECKING:
    import dagster as dg

    from dataproducts.product import DataProduct

_RUN_KEY, _SCHEDULE_NAME = "dagster/run_key", "dagster/schedule_name"
"""Dagster's tags of a run that a schedule asked for, by which its daemon knows that it has been asked for already."""


@dataclass
class Tick:
    """What became of one tick of a schedule. `skipped` is its reason to ask for nothing, `before` are runs that are there already."""

    schedule: str
    done: list[str] = field(default_factory=list)
    before: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    skipped: str | None = None


def schedules_of(product: DataProduct) -> dict[str, dg.ScheduleDefinition]:
    """The schedules of a product, by name."""
    from dataproducts.definitions import build_defs

    names = {one.name for one in product.definitions().schedules or ()}
    repository = build_defs().get_repository_def()
    return {one.name: one for one in repository.schedule_defs if one.name in names}


class Ticks:
    """Ticks of schedules against Dagster's instance. `say` gets what the products log, not Dagster's own events."""

    def __init__(self, instance: dg.DagsterInstance, say: Callable[[str], None]) -> None:
        from dataproducts.definitions import build_defs, resources

        self.instance = instance
        self.repository = build_defs().get_repository_def()
        self.logger = told_logger(say)
        self.resources = resources()

    def tick(self, name: str, moment: datetime) -> Tick:
        """Ask a schedule what was due at its newest tick before a moment, and run it.

        A run that was asked for before, here or by Dagster's daemon, is not run again.
        """
        import dagster as dg

        schedule = self.repository.get_schedule_def(name)
        lines = sound_lines(schedule.cron_schedule, f"schedule {name}")
        due = max(last_tick(line, schedule.execution_timezone or "UTC", moment) for line in lines)
        given = {key: self.resources[key] for key in schedule.required_resource_keys}
        context = dg.build_schedule_context(
            instance=self.instance, scheduled_execution_time=due, repository_def=self.repository, resources=given
        )
        with context:
            asked = schedule.evaluate_tick(context)
        tick = Tick(name, skipped=asked.skip_message)
        for request in asked.run_requests or ():
            tags = {**request.tags, _SCHEDULE_NAME: name, **({_RUN_KEY: request.run_key} if request.run_key else {})}
            what = _spelled(request, tags)
            if request.run_key and self._is_there(tags):
                tick.before.append(what)
            elif (sentence := self._run(schedule, request, tags)) is not None:
                tick.failures.append(f"{what}: {sentence}")
            else:
                tick.done.append(what)
        return tick

    def _is_there(self, tags: dict[str, str]) -> bool:
        import dagster as dg

        known = {name: tags[name] for name in (_RUN_KEY, _SCHEDULE_NAME)}
        return bool(self.instance.get_runs(dg.RunsFilter(tags=known), limit=1))

    def _run(self, schedule: dg.ScheduleDefinition, request: dg.RunRequest, tags: dict[str, str]) -> str | None:
        """The sentence of what failed, or None."""
        job = self.repository.get_job(request.job_name or schedule.job_name).with_logger_defs({LOGGER: self.logger})
        result = job.execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
            tags=tags,
            run_config={**request.run_config, "loggers": {LOGGER: {}}},
            raise_on_error=False,
        )
        return None if result.success else failure_sentence(self.instance, result.run_id)


def _spelled(request: dg.RunRequest, tags: dict[str, str]) -> str:
    keys: Iterator[Any] = iter(request.asset_selection or ())
    assets = ", ".join("/".join(key.path) for key in keys)
    first, last = tags.get("dagster/asset_partition_range_start"), tags.get("dagster/asset_partition_range_end")
    partition = f"{first} to {last}" if first else request.partition_key or ""
    return " of ".join(part for part in (partition, assets) if part) or "all"
