"""The sensor `send_alerts`: tells each receiver once of what begins, once of what is over, and now and then of what still goes on.

At least once: what was told is remembered with the cursor, which Dagster keeps when the tick is done. A receiver that does not answer
holds up no other, is tried again in the next tick, and hears then of all that it has missed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dataproducts.alerts.cases import Case, Memory
from dataproducts.alerts.looking import Looking
from dataproducts.alerts.receivers import Mail, Receiver, Slack
from dataproducts.alerts.words import News, Notice, letter
from dataproducts.errors import ConfigurationError, ReceiverUnavailable

if TYPE_CHECKING:
    import dagster as dg

    from dataproducts.product import DataProduct
    from dataproducts.product_facts import Alerts

NAME = "send_alerts"
BUDGET = 45.0
"""Seconds a tick may take; Dagster stops one at 60."""
LOOKING = 20.0
"""Of these, seconds for looking: the rest is for telling."""
PATIENCE = 8.0
"""Seconds one receiver may take."""


@dataclass(frozen=True)
class Ticked:
    """What a tick did: the cursor for the next one, how many cases were told to how many, and what needs a person."""

    cursor: str
    told: int
    receivers: int
    problems: tuple[str, ...]
    summary: str


@dataclass
class Recipient:
    """A receiver, and of which products it is told what."""

    receiver: Receiver
    alerts: dict[str, Alerts] = field(default_factory=dict)

    def wants(self, case: Case) -> bool:
        """Whether it is told of a case. What is of no one product is everybody's."""
        return any(case.kind in alerts.kinds for alerts in self._of(case))

    def reminded_after(self, case: Case) -> timedelta:
        """When it is told again of what still goes on."""
        return timedelta(hours=min(alerts.remind_hours for alerts in self._of(case) if case.kind in alerts.kinds))

    def _of(self, case: Case) -> list[Alerts]:
        product, slash, _ = case.subject.partition("/")
        if not slash:
            return list(self.alerts.values())
        return [self.alerts[product]] if product in self.alerts else []


def recipients(products: Mapping[str, DataProduct]) -> dict[str, Recipient]:
    """Everybody whom products declare, by id: the same webhook of several products is one."""
    found: dict[str, Recipient] = {}
    for name, product in sorted(products.items()):
        alerts = product.facts.alerts
        if alerts is None:
            continue
        there: list[Receiver] = [*([Slack(alerts.slack_webhook)] if alerts.slack_webhook else [])]
        there += [Mail(alerts.email)] if alerts.email else []
        for receiver in there:
            found.setdefault(receiver.id, Recipient(receiver)).alerts[name] = alerts
    return found


class Alerting:
    """Tells of the products of one location. `now` is the time of day, `seconds` a clock for the budget; tests give others."""

    def __init__(
        self,
        products: Mapping[str, DataProduct],
        location: str,
        *,
        budget: float = BUDGET,
        patience: float = PATIENCE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: Callable[[], float] = time.monotonic,
        **reading: Any,
    ) -> None:
        self.recipients = recipients(products)
        self.looking = Looking(products, location)
        self.budget, self.patience, self.now, self.seconds, self.reading = budget, patience, now, seconds, reading

    def tick(self, instance: dg.DagsterInstance, cursor: str | None) -> Ticked:
        """Look, then tell. Where nobody can be told, nothing is looked at."""
        faults = {r.receiver.name: fault for r in self.recipients.values() if (fault := r.receiver.fault()) is not None}
        unset = tuple(sorted(set(faults.values())))
        if len(faults) == len(self.recipients):
            return Ticked(cursor or "", 0, 0, (), f"nothing to alert with: {'; '.join(unset)}")
        started, now = self.seconds(), self.now()
        held = Memory.read(cursor)
        memory = held or Memory()

        def is_over() -> bool:
            return self.seconds() - started >= min(LOOKING, self.budget / 2)

        problems = self.looking.log(instance, memory, now, is_over, **self.reading)
        self.looking.clock(instance, memory, now)
        self.looking.prune(memory)
        if held is None:  # what was over before anybody was there to be told is no news
            memory.cases = {key: case for key, case in memory.cases.items() if case.ended is None}
        ready = [r for r in self.recipients.values() if r.receiver.name not in faults]
        told, receivers = self._tell(memory, ready, now, started, problems)
        self._forget(memory, ready, problems)
        open_ = sum(1 for case in memory.cases.values() if case.ended is None)
        summary = f"{told} told to {receivers}" if told else "nothing new"
        parts = [summary, f"{open_} open", *([f"not told: {'; '.join(unset)}"] if unset else []), *problems[:1]]
        return Ticked(memory.text(), told, receivers, tuple(problems), "; ".join(parts))

    def _tell(self, memory: Memory, ready: Sequence[Recipient], now: datetime, started: float, problems: list[str]) -> tuple[int, int]:
        """Tell everybody what they have not heard, those first who have answered before; gives how many cases, and to how many."""
        told, receivers = set(), 0
        for recipient in sorted(ready, key=lambda r: (memory.silent.get(r.receiver.id, 0), r.receiver.id)):
            receiver = recipient.receiver
            notices = [n for case in memory.cases.values() if (n := notice(case, recipient, now)) is not None]
            left = self.budget - (self.seconds() - started)
            if not notices:
                continue
            if left < 1:
                problems.append(f"{receiver.name}: the time was over; it is told in the next tick")
                continue
            try:
                remark = receiver.send(letter(notices, sorted(recipient.alerts), now), min(self.patience, left))
            except (ReceiverUnavailable, ConfigurationError) as error:
                memory.silent[receiver.id] = memory.silent.get(receiver.id, 0) + 1
                problems.append(f"{error}; not told {memory.silent[receiver.id]} times in a row, and tried again")
                continue
            memory.silent.pop(receiver.id, None)
            problems += [remark] if remark else []
            receivers += 1
            for one in notices:
                told.add(one.case.key)
                one.case.told[receiver.id] = now
                if one.case.ended is not None:
                    one.case.heard_end.add(receiver.id)
        return len(told), receivers

    def _forget(self, memory: Memory, ready: Sequence[Recipient], problems: list[str]) -> None:
        """What is over, and all know."""
        there = {r.receiver.id for r in self.recipients.values()}
        memory.silent = {receiver: many for receiver, many in memory.silent.items() if receiver in there}
        for key, case in list(memory.cases.items()):
            if case.ended is not None and all(r.receiver.id in case.heard_end for r in ready if r.wants(case)):
                del memory.cases[key]
        if gone := memory.forget_oldest():
            problems.append(f"{gone} that are over are told to nobody any more: too many wait for receivers that do not answer")


def notice(case: Case, recipient: Recipient, now: datetime) -> Notice | None:
    """What a receiver has to hear of a case; None where it knows, or is not to."""
    if not recipient.wants(case):
        return None
    receiver = recipient.receiver.id
    heard = case.told.get(receiver)
    if case.ended is not None:
        if receiver in case.heard_end:
            return None
        return Notice(News.PASSED if heard is None else News.OVER, case)
    if heard is None:
        return Notice(News.NEW, case)
    return Notice(News.STILL, case) if now - heard >= recipient.reminded_after(case) else None


def alerts_sensor(products: Mapping[str, DataProduct], location: str, **settings: Any) -> dg.SensorDefinition | None:
    """The sensor of a location, on from the start where somebody can be told; None where no product says whom."""
    import dagster as dg

    alerting = Alerting(products, location, **settings)
    if not alerting.recipients:
        return None
    faults = [r.receiver.fault() for r in alerting.recipients.values()]
    on = dg.DefaultSensorStatus.RUNNING if None in faults else dg.DefaultSensorStatus.STOPPED
    idle = "" if None in faults else f" Nothing to alert with: {'; '.join(sorted({fault for fault in faults if fault}))}."

    @dg.sensor(
        name=NAME,
        minimum_interval_seconds=30,
        default_status=on,
        description=f"Tells teams by Slack and mail of what goes wrong with their products, and when it is over.{idle}",
    )
    def tell(context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Dagster reads the annotation as text
        ticked = alerting.tick(context.instance, context.cursor)
        context.update_cursor(ticked.cursor)
        for problem in ticked.problems[:20]:
            context.log.warning(problem)
        if ticked.told:
            context.log.info(ticked.summary)
        return dg.SkipReason(ticked.summary)

    return tell
