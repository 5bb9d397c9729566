"""Dagster's event log, read in the order of its ids, and what its entries say of our datasets, as messages.

Dagster has no public way to read it so: a sensor of assets skips partitions, one of runs forgets a tick that failed. What is
private of Dagster stands in `_rows` and `records`, and is pinned in `tests/upstream`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from dataproducts.errors import ConfigurationError, DataProductsError
from dataproducts.history.ledger import UNPARTITIONED
from dataproducts.messages import MAX_BODY, Arrival, CheckResult, ColumnFigures, Delivery, Failure

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from dataproducts.product import DataProduct

Kind = Literal["materialization", "check", "failure"]
KINDS: dict[str, Kind] = {
    "ASSET_MATERIALIZATION": "materialization",
    "ASSET_CHECK_EVALUATION": "check",
    "PIPELINE_FAILURE": "failure",
    "PIPELINE_CANCELED": "failure",
}
"""What is read of the log, by Dagster's names. Ids of all of them are of one sequence, also on SQLite."""

NO_RUN = "-"
_LINE, _FACTS, _ERRORS, _FETCHED = 2_000, 50, 5_000, 500
_PREFIX = "dataproducts/"
_SHOWN_ELSEWHERE = {"profile", "sample", "unchanged", "refused"}


@dataclass(frozen=True)
class Entry:
    """One entry of the log, without its payload. `at` is UTC; `asset` is None for checks and runs, whose payload has it."""

    id: int
    kind: Kind
    at: datetime
    run: str
    asset: tuple[str, ...] | None = None
    partition: str | None = None


def entries(instance: DagsterInstance, *, after: int, limit: int) -> list[Entry]:
    """The next entries of the log beyond an id, in the order of ids."""
    return _entries(instance, lambda query, log: query.where(log.c.id > after).order_by(log.c.id).limit(limit))


def entries_of(instance: DagsterInstance, ids: Sequence[int]) -> list[Entry]:
    """Entries by id; those that are gone are left out."""
    found: list[Entry] = []
    for some in _some(ids):
        found += _entries(instance, lambda query, log, ids=some: query.where(log.c.id.in_(ids)))  # type: ignore[misc]
    return found


def since(instance: DagsterInstance, at: datetime) -> Entry | None:
    """The entry with the smallest id of those that happened at a time or later."""
    naive = at.astimezone(UTC).replace(tzinfo=None)
    found = _entries(instance, lambda query, log: query.where(log.c.timestamp >= naive).order_by(log.c.id).limit(1))
    return found[0] if found else None


def last(instance: DagsterInstance) -> Entry | None:
    """The entry with the largest id."""
    found = _entries(instance, lambda query, log: query.order_by(log.c.id.desc()).limit(1))
    return found[0] if found else None


def materialized(instance: DagsterInstance, run: str) -> set[tuple[tuple[str, ...], str]]:
    """Asset and partition of everything a run materialized."""
    found = _entries(instance, lambda query, log: query.where(log.c.run_id == run))
    return {(e.asset, e.partition or UNPARTITIONED) for e in found if e.kind == "materialization" and e.asset}


def newest(instance: DagsterInstance) -> dict[tuple[str, ...], dict[str, int]]:
    """By asset and partition, the id of the newest materialization."""
    from sqlalchemy import func

    def grouped(query: Any, log: Any) -> Any:
        of = (log.c.asset_key, log.c.partition)
        return query.with_only_columns(func.max(log.c.id), *of).where(log.c.dagster_event_type == "ASSET_MATERIALIZATION").group_by(*of)

    found: dict[tuple[str, ...], dict[str, int]] = {}
    for number, asset, partition in _rows(instance, grouped):
        if asset:
            found.setdefault(tuple(json.loads(asset)), {})[partition or UNPARTITIONED] = number
    return found


def made_last(instance: DagsterInstance, assets: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], datetime]:
    """When each asset was last materialized, whichever partition of it; those that never were are left out."""
    from sqlalchemy import func

    found: dict[tuple[str, ...], datetime] = {}
    for at in range(0, len(assets), _FETCHED):
        keys = [json.dumps(list(asset)) for asset in assets[at : at + _FETCHED]]  # as Dagster spells them

        def newest(query: Any, log: Any, keys: list[str] = keys) -> Any:
            chosen = query.where(log.c.asset_key.in_(keys), log.c.dagster_event_type == "ASSET_MATERIALIZATION")
            return chosen.with_only_columns(func.max(log.c.id)).group_by(log.c.asset_key)  # of an index alone

        found |= {e.asset: e.at for e in entries_of(instance, [number for (number,) in _rows(instance, newest)]) if e.asset}
    return found


def records(instance: DagsterInstance, ids: Sequence[int]) -> dict[int, Any]:
    """Payloads (Dagster's EventLogEntry) by id. One that cannot be read is there as its error; one that is gone is left out."""
    from dagster._core.events.log import EventLogEntry
    from dagster._serdes import deserialize_value

    found: dict[int, Any] = {}
    for some in _some(ids):
        for number, text in _rows(instance, lambda query, log, ids=some: _payload(query, log).where(log.c.id.in_(ids))):  # type: ignore[misc]
            try:
                found[number] = deserialize_value(text, EventLogEntry)
            except Exception as error:  # whatever a damaged row makes of it: the next one is to be read all the same
                found[number] = error
    return found


def _payload(query: Any, log: Any) -> Any:
    return query.with_only_columns(log.c.id, log.c.event)


def _entries(instance: DagsterInstance, chosen: Callable[[Any, Any], Any]) -> list[Entry]:
    return [
        Entry(number, KINDS[kind], at.replace(tzinfo=UTC), run or NO_RUN, tuple(json.loads(asset)) if asset else None, partition)
        for number, kind, at, run, asset, partition in _rows(instance, chosen)
    ]


def _rows(instance: DagsterInstance, chosen: Callable[[Any, Any], Any]) -> Sequence[Any]:
    """Rows of the log that Dagster keeps across runs, as `chosen` narrows them down."""
    from dagster._core.storage.event_log import schema
    from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
    from sqlalchemy import select

    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise ConfigurationError(f"publication reads Dagster's event log in a database, and this instance has {type(storage).__name__}")
    log = schema.SqlEventLogStorageTable
    query = select(log.c.id, log.c.dagster_event_type, log.c.timestamp, log.c.run_id, log.c.asset_key, log.c.partition)
    query = query.where(log.c.dagster_event_type.in_(list(KINDS)))
    with storage.index_connection() as connection:
        return connection.execute(chosen(query, log)).fetchall()  # type: ignore[no-any-return]


def _some(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(ids), _FETCHED):
        yield ids[at : at + _FETCHED]


class Translation:
    """Entries of the log as messages of one location. `steps` are its datasets, "shop/sales", and their ports, "shop/sales/bigquery",
    by the name of the step that makes them."""

    def __init__(self, location: str, steps: Mapping[str, str]) -> None:
        self.location = location
        self.steps = steps
        self.assets = {tuple(name.split("/")): name for name in steps.values()}

    @classmethod
    def of(cls, location: str, products: Mapping[str, DataProduct]) -> Translation:
        """That of a location with these products."""
        datasets = {d.op.name: d.contract.dataset for p in products.values() for d in p.datasets.values()}
        ports = {
            one.op.name: f"{one.declaration.contract.dataset}/{one.port.name}"
            for p in products.values()
            for of_dataset in p.ports.values()
            for one in of_dataset
        }
        return cls(location, {**datasets, **ports})

    def concerns(self, entry: Entry) -> bool:
        """Whether an entry may be about our datasets, as far as can be told without its payload."""
        return entry.asset in self.assets if entry.kind == "materialization" else True

    def messages(self, instance: DagsterInstance, entry: Entry, record: Any) -> list[Delivery | Arrival | CheckResult | Failure]:
        """What an entry says of our datasets. Raises DataProductsError, or pydantic.ValidationError, where it cannot be said."""
        if isinstance(record, BaseException):
            raise DataProductsError(f"entry {entry.id} of the event log cannot be read ({type(record).__name__})")
        if entry.kind == "materialization":
            materialization = record.dagster_event.event_specific_data.materialization
            is_port = len(materialization.asset_key.path) > 2
            found = self.arrival(entry, materialization) if is_port else self.delivery(entry, materialization)
            return [found] if found else []
        if entry.kind == "check":
            result = self.check(entry, record.dagster_event.event_specific_data)
            return [result] if result else []
        return list(self.failures(instance, entry, record))

    def delivery(self, entry: Entry, materialization: Any) -> Delivery | None:
        """A materialization; None where it says nothing of a version, as when somebody reports one by hand."""
        said = {name: _value(value) for name, value in materialization.metadata.items()}
        name = self.assets.get(tuple(materialization.asset_key.path))
        number, content_hash = said.get(f"{_PREFIX}version"), said.get(f"{_PREFIX}content_hash")
        if name is None or number is None or content_hash is None:
            return None
        rows = said.get("dagster/partition_row_count", said.get("dagster/row_count", 0))
        return _fitting(
            Delivery(
                location=self.location,
                dataset=name,
                partition=materialization.partition or UNPARTITIONED,
                number=number,
                at=entry.at,
                storage_id=entry.id,
                run=entry.run,
                known_at=datetime.fromtimestamp(said[f"{_PREFIX}known_at"], UTC),
                contract=said[f"{_PREFIX}contract"],
                rows=rows,
                content_hash=content_hash,
                unchanged="unchanged" in said,
                received=said.get(f"{_PREFIX}received"),
                refused=said.get(f"{_PREFIX}refused", 0),
                inputs={of: tuple((p, n) for p, n in chosen) for of, chosen in (said.get(f"{_PREFIX}inputs") or {}).items()},
                profile=tuple(ColumnFigures.model_validate(figures) for figures in said.get(f"{_PREFIX}profile") or ()),
                facts=_facts({n: v for n, v in said.items() if n not in _SHOWN_ELSEWHERE}),
            )
        )

    def arrival(self, entry: Entry, materialization: Any) -> Arrival | None:
        """A materialization of a port; None where it says nothing of a version."""
        said = {name: _value(value) for name, value in materialization.metadata.items()}
        name = self.assets.get(tuple(materialization.asset_key.path))
        number, content_hash = said.get(f"{_PREFIX}version"), said.get(f"{_PREFIX}content_hash")
        if name is None or number is None or content_hash is None:
            return None
        dataset, _, port = name.rpartition("/")
        return Arrival(
            location=self.location,
            dataset=dataset,
            port=port,
            partition=materialization.partition or UNPARTITIONED,
            number=number,
            at=entry.at,
            storage_id=entry.id,
            run=entry.run,
            rows=said.get("dagster/partition_row_count", said.get("dagster/row_count", 0)),
            content_hash=content_hash,
            facts=_facts({n: v for n, v in said.items() if n not in _SHOWN_ELSEWHERE}),
        )

    def check(self, entry: Entry, evaluation: Any) -> CheckResult | None:
        """The evaluation of a check, that of a port by the port's name and its own; None where it is of another's asset."""
        name = self.assets.get(tuple(evaluation.asset_key.path))
        if name is None:
            return None
        dataset, port = _dataset_and_port(name)
        said = {n: _value(v) for n, v in evaluation.metadata.items()}
        return CheckResult(
            location=self.location,
            dataset=dataset,
            check=f"{port}/{evaluation.check_name}" if port else evaluation.check_name,
            passed=evaluation.passed,
            severity="error" if evaluation.severity.value == "ERROR" else "warn",
            at=entry.at,
            storage_id=entry.id,
            run=entry.run,
            partitions=_line(str(said.pop("partitions", None) or evaluation.partition or "")),
            description=_line(evaluation.description or ""),
            facts=_facts(said),
        )

    def failures(self, instance: DagsterInstance, entry: Entry, record: Any) -> Iterator[Failure]:
        """A failed or canceled run: for each of our datasets and ports it was to make and did not, the error by partition."""
        from dagster import DagsterEventType

        wanted = {DagsterEventType.ASSET_MATERIALIZATION_PLANNED, DagsterEventType.STEP_FAILURE}
        planned: dict[str, set[str]] = {}
        broken: dict[str, Any] = {}
        for event in (e.dagster_event for e in instance.all_logs(entry.run, of_type=wanted) if e.dagster_event):
            if event.event_type is DagsterEventType.STEP_FAILURE:
                if (step := str(event.step_key).rpartition(".")[2].partition("[")[0]) in self.steps:
                    broken[self.steps[step]] = event.event_specific_data
            elif event.asset_key and (name := self.assets.get(tuple(event.asset_key.path))) is not None:
                planned.setdefault(name, set()).update(_planned(event.event_specific_data))
        if not planned and not broken:
            return
        made = materialized(instance, entry.run)
        for name in sorted({*planned, *broken}):
            dataset, port = _dataset_and_port(name)
            if port is not None and name not in broken:  # it may have had nothing to do
                continue
            missing = sorted(p for p in planned.get(name, {UNPARTITIONED}) if (tuple(name.split("/")), p) not in made)
            errors = _errors(broken[name], missing) if name in broken else dict.fromkeys(missing, self._why(record, broken))
            if errors:
                cut = dict(list(errors.items())[:_ERRORS])
                yield Failure(
                    location=self.location, dataset=dataset, port=port, at=entry.at, storage_id=entry.id, run=entry.run, errors=cut
                )

    def _why(self, record: Any, broken: Mapping[str, Any]) -> str:
        if record.dagster_event.event_type_value == "PIPELINE_CANCELED":
            return "The run was canceled before this was stored."
        if broken:
            return f"Not stored, since {', '.join(sorted(broken))} failed in the same run."
        return "The run failed before this was stored; its log has the rest."


def _dataset_and_port(name: str) -> tuple[str, str | None]:
    """A dataset's name, and that of the port where it is one's."""
    product, dataset, *port = name.split("/")
    return f"{product}/{dataset}", port[0] if port else None


def _planned(data: Any) -> set[str]:
    subset = getattr(data, "partitions_subset", None)
    if subset is not None:
        return set(subset.get_partition_keys())
    return {data.partition or UNPARTITIONED}


def _errors(failure: Any, missing: Sequence[str]) -> dict[str, str]:
    """The error of each partition. What code that is not the kit's says may quote a row, and stays in the run's log."""
    said = {n: _value(v) for n, v in failure.user_failure_data.metadata.items()} if failure.user_failure_data else {}
    foreign: dict[str, str] = said.get(f"{_PREFIX}unforeseen") or {}
    by_partition: dict[str, Any] = said.get("failures") or {}
    if not by_partition:
        if failure.user_failure_data:
            text = failure.user_failure_data.description or "It failed without saying why."
        else:
            text = _sentence(failure.error)
        by_partition = dict.fromkeys(missing or [UNPARTITIONED], text)
    return {p: _line(_stopped_by(foreign[p]) if p in foreign else str(text)) for p, text in by_partition.items()}


def _sentence(error: Any) -> str:
    """What an error says if it is one of the kit's own; else its name."""
    from dataproducts import errors

    while error is not None and error.cause is not None:
        error = error.cause
    if error is None:
        return "It failed without saying why."
    if isinstance(getattr(errors, str(error.cls_name), None), type):
        return str(error.message).strip().removeprefix(f"dataproducts.errors.{error.cls_name}: ")
    return _stopped_by(str(error.cls_name))


def _stopped_by(error: str) -> str:
    return f"Stopped by {error}; the run's log has the rest."


def _fitting(delivery: Delivery) -> Delivery:
    """A delivery small enough to send: of very wide tables the profile is left out."""
    if len(delivery.profile) < 100 or len(delivery.model_dump_json()) <= MAX_BODY:
        return delivery
    return delivery.model_copy(update={"profile": ()})


def _facts(said: Mapping[str, Any]) -> dict[str, str]:
    """What else was said, as lines."""
    kept = {n: v for n, v in said.items() if v is not None and not n.startswith(("dagster/", _PREFIX)) and 0 < len(n) <= 400}
    shown = {_line(n): _line(v if isinstance(v, str) else json.dumps(v, ensure_ascii=False, default=str)) for n, v in kept.items()}
    return dict(list(shown.items())[:_FACTS])


def _value(metadata: Any) -> Any:
    """The plain value of Dagster's metadata; None for what has none."""
    value = getattr(metadata, "value", None)
    return value if isinstance(value, str | int | float | bool | dict | list) else None


def _line(text: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in text).strip()
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"
