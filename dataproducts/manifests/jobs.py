"""The jobs of a product: one for each cron line of each of its schedules, whatever the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dataproducts.cron import sound_lines
from dataproducts.errors import DeclarationError
from dataproducts.kubernetes import pod
from dataproducts.port_asset import offered
from dataproducts.ports.bigquery.declaration import BigQuery
from dataproducts.ports.kafka.reading import TopicInput
from dataproducts.ports.kafka.topic import Topic

if TYPE_CHECKING:
    import dagster as dg

    from dataproducts.port_asset import PortAsset
    from dataproducts.product import DataProduct
    from dataproducts.product_facts import ProductFacts

SETTINGS = "dataproducts"
"""The config map of the namespace that all jobs take their environment from: DATAPRODUCTS_LAKE, CATALOG_URL and what else they share."""
INSTANCE, INSTANCE_FOLDER, INSTANCE_SECRET = "dagster-instance", "/opt/dagster", "dagster-postgresql"
"""Dagster's instance, the same for its webserver, its daemon and every job: the config map with `dagster.yaml`, where it is mounted, and
the secret with the variables that it takes its database's password from."""

_LONGEST = 52  # letters of a CronJob's name, to which Kubernetes appends eleven


@dataclass(frozen=True)
class Job:
    """A schedule as a job: `name` as Kubernetes takes names, `command` as the image's user would type it."""

    name: str
    description: str
    cron: str
    time_zone: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Workload:
    """What every job of a product gets, whatever the cluster, besides what `runtime` says as it stands."""

    variables: Mapping[str, str]
    secrets: tuple[str, ...]
    deadline_seconds: int


@dataclass(frozen=True)
class Needs:
    """What a product's declarations ask of the platform. `datasets` are BigQuery's, by name; `written` and `read` are topics."""

    datasets: tuple[str, ...]
    written: tuple[PortAsset, ...]
    read: tuple[str, ...]

    @property
    def kafka(self) -> bool:
        """Whether a topic is written or read."""
        return bool(self.written or self.read)


def jobs(product: DataProduct, schedules: Sequence[dg.ScheduleDefinition]) -> list[Job]:
    """The jobs of these schedules. Raises DeclarationError where a name or a cron line is none that Kubernetes takes."""
    found = []
    for schedule in schedules:
        where = f"{product.name}: schedule {schedule.name}"
        lines = sound_lines(schedule.cron_schedule, where)
        for number, line in enumerate(lines, 1):
            name = schedule.name.replace("_", "-") + (f"-{number}" if len(lines) > 1 else "")
            if len(name) > _LONGEST:
                raise DeclarationError(f"{where} has a name of {len(name)} letters, and a job may have {_LONGEST}; give it a shorter one")
            command = ("dataproducts", "run", product.name, "--schedule", schedule.name)
            found.append(Job(name, schedule.description or "", line, schedule.execution_timezone or "UTC", command))
    if not found:
        raise DeclarationError(
            f"{product.name} has no schedule, so there is no job to write; give a dataset schedule=..., or product.yaml `runtime: schedule`"
        )
    return found


def needs(product: DataProduct) -> Needs:
    """What the product's ports and sources ask of the platform."""
    ports = [one for of_one in product.ports.values() for one in of_one]
    datasets = {one.port.names(offered(one.declaration)).dataset for one in ports if isinstance(one.port, BigQuery)}
    written = {one.port.topic: one for one in ports if isinstance(one.port, Topic)}
    sources = [dataset.declaration.source for dataset in product.datasets.values()]
    read = {source.name for source in sources if isinstance(source, TopicInput)}
    return Needs(tuple(sorted(datasets)), tuple(written[name] for name in sorted(written)), tuple(sorted(read)))


def workload(facts: ProductFacts, given: Mapping[str, str]) -> Workload:
    """What the jobs of a product get; `given` are variables of the platform, and the product's own come last and win."""
    runtime = facts.runtime
    fixed = {"DATAPRODUCTS_ENV": "gcp", "DAGSTER_HOME": INSTANCE_FOLDER, **pod.variables(runtime)}
    return Workload(
        variables={**fixed, **given, **{one.name: one.value for one in runtime.environment}},
        secrets=(INSTANCE_SECRET, *runtime.secrets),
        deadline_seconds=runtime.deadline_minutes * 60,
    )
