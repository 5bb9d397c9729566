"""What Dagster's event log, and the time of day, say of a location's products: troubles that begin, and troubles that are over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pydantic

from dataproducts.alerts.cases import Memory, key
from dataproducts.alerts.words import spelled
from dataproducts.cron import in_words, patience
from dataproducts.errors import DataProductsError
from dataproducts.history.ledger import UNPARTITIONED
from dataproducts.messages import CheckResult, Failure
from dataproducts.port_asset import ARRIVED
from dataproducts.product_facts import Trouble
from dataproducts.publication import events
from dataproducts.publication.events import Entry, Translation
from dataproducts.publication.reading import Reading

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from dataproducts.dataset import Declaration
    from dataproducts.product import DataProduct

FIRST_LOOK = timedelta(days=1)
"""How far back the first look goes."""
PAGE = 100
"""Entries between two looks at the clock: of each failed run its whole log is read."""
_CHECKS = (Trouble.CHECK_FAILED, Trouble.CHECK_WARNED)
_RECONCILIATIONS = {"reconcile_catalog": "reconciled", "reconcile_contents": "contents"}  # jobs of `publication`, and their checks
_NOT_SAID = {"examples", "rows", "rows_looked_at", "k"}  # of a check's facts: values, and what explains no failure


@dataclass(frozen=True)
class Limit:
    """How long a dataset may go without being made, and in words who says so."""

    kind: Trouble
    patience: timedelta
    promise: str


class Looking:
    """Looks at the products of one location. What it keeps between looks is only what the log can tell again."""

    def __init__(self, products: Mapping[str, DataProduct], location: str) -> None:
        self.products, self.location = products, location
        self.translation = Translation.of(location, products)
        self.limits = {
            dataset.contract.dataset: found
            for product in products.values()
            for dataset in product.datasets.values()
            if (found := limit(product, dataset.declaration)) is not None
        }
        self.made: dict[str, datetime] = {}
        """When a dataset was made last, as far as this process has seen: nothing late is told of without asking the log."""

    def log(self, instance: DagsterInstance, memory: Memory, now: datetime, is_over: Callable[[], bool], **reading: Any) -> list[str]:
        """Take in what the log has beyond the mark; gives, as sentences, what of it could not be read."""
        faults: list[str] = []
        mark = memory.mark
        if mark.low_at is None:
            first = events.since(instance, now - FIRST_LOOK)
            newest = events.last(instance)
            mark.low, mark.low_at = first.id - 1 if first else newest.id if newest else 0, now - FIRST_LOOK
        beyond = Reading(instance, mark, is_settled=mark.seen.__contains__, now=now, **{"page": PAGE, **reading})
        beyond.mend()
        with closing(beyond.pages(is_over)) as pages:
            for page in pages:
                faults += self._take(instance, memory, page)
                mark.seen.update(entry.id for entry in page)
        return faults

    def _take(self, instance: DagsterInstance, memory: Memory, page: Sequence[Entry]) -> list[str]:
        faults = []
        payloads = events.records(instance, [e.id for e in page if e.kind != "materialization"])
        for entry in page:
            if entry.kind == "materialization":
                self._made(memory, entry)
            elif entry.id in payloads:
                try:
                    self._said(instance, memory, entry, payloads[entry.id])
                except (DataProductsError, pydantic.ValidationError):
                    faults.append(f"entry {entry.id} of the event log cannot be read, and nobody is told what it says")
        return faults

    def _made(self, memory: Memory, entry: Entry) -> None:
        """A partition that has been made, or delivered at a port, is waited for no more; needs no payload."""
        name = self.translation.assets.get(entry.asset or ())
        if name is None:
            return
        self.made[name] = max(entry.at, self.made.get(name, entry.at))
        memory.unmade.pop(name, None)
        case = memory.cases.get(key(Trouble.RUN_FAILED, name))
        if case is not None and case.ended is None:
            case.waiting -= {entry.partition or UNPARTITIONED, UNPARTITIONED}
            if not case.waiting or len(entry.asset or ()) > 2:  # a port that takes anything works; what else it waits for it delivers
                memory.end(Trouble.RUN_FAILED, name, entry.at)

    def _said(self, instance: DagsterInstance, memory: Memory, entry: Entry, record: Any) -> None:
        if entry.kind == "check" and not isinstance(record, BaseException):
            evaluation = record.dagster_event.event_specific_data
            if list(evaluation.asset_key.path) == [self.location, "catalog"]:
                self._location_checked(memory, entry, evaluation)
                return
        messages = self.translation.messages(instance, entry, record)
        for message in messages:
            if isinstance(message, Failure):
                self._failed(memory, message)
            elif isinstance(message, CheckResult):
                self._checked(memory, message)
        check = _RECONCILIATIONS.get(str(getattr(record, "job_name", "")))
        if entry.kind == "failure" and not messages and check is not None:
            text = "It could not be done; the log of its run says why."
            memory.begin(Trouble.RECONCILIATION, self.location, entry.at, text, check=check, run=entry.run)

    def _location_checked(self, memory: Memory, entry: Entry, evaluation: Any) -> None:
        """What the catalog's asset says: of reconciliations, and of the sensors that publish."""
        check = evaluation.check_name
        kind = Trouble.RECONCILIATION if check in _RECONCILIATIONS.values() else Trouble.DEAD_LETTERS
        if evaluation.passed:
            memory.end(kind, self.location, entry.at, check=check)
            return
        details = evaluation.metadata.get("details")
        first = str(details.value).splitlines()[0].removeprefix("- ") if details is not None and details.value else ""
        text = ". ".join(part.rstrip(".") for part in (evaluation.description, first) if part)
        memory.begin(kind, self.location, entry.at, text, check=check, run=entry.run)

    def _failed(self, memory: Memory, failure: Failure) -> None:
        name = f"{failure.dataset}/{failure.port}" if failure.port else failure.dataset
        (partition, error), *others = failure.errors.items()
        where = "" if partition == UNPARTITIONED or partition in error else f"{partition}: "
        more = f" And {len(others)} more partitions." if len(others) > 1 else " And one more partition." if others else ""
        text = f"{where}{error}{more}"
        memory.begin(Trouble.RUN_FAILED, name, failure.at, text, run=failure.run, waiting=set(failure.errors))

    def _checked(self, memory: Memory, result: CheckResult) -> None:
        kind = Trouble.CHECK_FAILED if result.severity == "error" else Trouble.CHECK_WARNED
        for other in _CHECKS:
            if result.passed or other is not kind:
                memory.end(other, result.dataset, result.at, check=result.check)
        port, _, name = result.check.rpartition("/")
        if result.passed and port and name == ARRIVED:
            memory.end(Trouble.RUN_FAILED, f"{result.dataset}/{port}", result.at)  # also where nothing had to be delivered any more
        if not result.passed:
            facts = [f"{name}: {value}" for name, value in result.facts.items() if name not in _NOT_SAID]
            where = f"partition {result.partitions}" if result.partitions else ""
            text = "; ".join(filter(None, [result.description, where, *facts])) or "It did not pass."
            memory.begin(kind, result.dataset, result.at, text, check=result.check, run=result.run)

    # the time of day

    def clock(self, instance: DagsterInstance, memory: Memory, now: datetime) -> None:
        """What should have been made by now. The log is asked once for every dataset, and again for those that seem late."""
        unknown = [name for name in self.limits if name not in self.made and name not in memory.unmade]
        self._ask(instance, memory, unknown, now)
        late = [name for name, limit in self.limits.items() if now - self._last(memory, name) > limit.patience]
        self._ask(instance, memory, late, now)
        for name, limit in self.limits.items():
            last = self._last(memory, name)
            if now - last <= limit.patience:
                memory.end(limit.kind, name, now)
                continue
            made = f"made last {spelled(last)}" if name in self.made else f"never made, and waited for since {spelled(last)}"
            memory.begin(limit.kind, name, last + limit.patience, f"It was {made}; {limit.promise}.")

    def _last(self, memory: Memory, name: str) -> datetime:
        return self.made.get(name) or memory.unmade[name]

    def _ask(self, instance: DagsterInstance, memory: Memory, names: Sequence[str], now: datetime) -> None:
        found = events.made_last(instance, [tuple(name.split("/")) for name in names])
        for name in names:
            if (at := found.get(tuple(name.split("/")))) is not None:
                self.made[name] = at
                memory.unmade.pop(name, None)
            else:
                self.made.pop(name, None)
                memory.unmade.setdefault(name, now)

    # what is no longer declared

    def prune(self, memory: Memory) -> None:
        """Forget what is about something that is no longer there: nothing would ever end it."""
        names = {*self.translation.assets.values(), self.location}
        for case in list(memory.cases.values()):
            is_gone = case.subject not in names
            if case.kind in (Trouble.STALE, Trouble.SILENT):
                is_gone |= case.subject not in self.limits or case.kind is not self.limits[case.subject].kind
            elif case.kind in _CHECKS and not is_gone:
                is_gone = (case.subject, case.check) not in self._checks
            if is_gone:
                del memory.cases[case.key]
        memory.unmade = {name: at for name, at in memory.unmade.items() if name in self.limits}

    @cached_property
    def _checks(self) -> set[tuple[str, str]]:
        """Every declared check by dataset and name, those of ports and those that the products' own code adds."""
        found = set()
        for product in self.products.values():
            of_ports = {one: one.port.name for ports in product.ports.values() for one in ports}
            own: Iterable[Any] = [*product.datasets.values(), *of_ports, *(product.definitions().asset_checks or ())]
            for item in own:
                port = of_ports.get(item)
                for spec in item.check_specs:
                    dataset = "/".join(spec.asset_key.path[:2])
                    found.add((dataset, f"{port}/{spec.name}" if port else spec.name))
        return found


def limit(product: DataProduct, declaration: Declaration) -> Limit | None:
    """How long a dataset may go without being made: its freshness, else `silent_hours`, else as long as its schedule ever pauses."""
    if declaration.freshness is not None:
        return Limit(Trouble.STALE, declaration.freshness, f"its freshness is {in_words(declaration.freshness)}")
    hours = product.facts.alerts.silent_hours if product.facts.alerts is not None else None
    schedule = product.scheduled(declaration).schedule
    if hours is not None:
        is_watched = schedule or declaration.source is not None
        return Limit(Trouble.SILENT, timedelta(hours=hours), f"silent_hours is {hours}") if is_watched else None
    if schedule is None:
        return None
    longest = patience(schedule, product.facts.runtime.deadline_minutes)
    return Limit(Trouble.SILENT, longest, f"by its schedule it is made at least every {in_words(longest)}")
