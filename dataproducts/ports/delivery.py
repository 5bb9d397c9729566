"""Delivering what a dataset has to one of its ports: finish what was begun, plan the next batch, deliver it, write it down."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dataproducts.errors import PortError, PortUnavailable
from dataproducts.history.ledger import Version
from dataproducts.history.store import DatasetHistory
from dataproducts.history.table import Overtaken
from dataproducts.ports.journal import Journal
from dataproducts.ports.port import Batch, Facts, Session

_ATTEMPTS = 50


@dataclass
class Report:
    """What a run delivered: batches in order with what the port told of each, whoever delivered them."""

    batches: list[tuple[Batch, Facts]] = field(default_factory=list)

    @property
    def versions(self) -> list[Version]:
        """Every version delivered, in order."""
        return [version for batch, _ in self.batches for version in batch.versions]


def deliver(
    session: Session,
    journal: Journal,
    history: DatasetHistory,
    partitions: Sequence[str] | None,
    run: str,
    log: Callable[[str], None] = lambda text: None,
    report: Report | None = None,
) -> Report:
    """Deliver the versions of these partitions (None: of all) that have not been; safe beside other runs and after any crash.

    A batch that another run left open is finished first, whatever it carries. Raises what `Session.deliver` raises; what was
    delivered before stays so (a `report` that is given tells of it), and the same call again goes on from there.
    """
    session.prepare()
    report = report if report is not None else Report()
    overtaken = 0
    while True:
        versions = history.refresh().versions()
        journal.refresh()
        delivered = journal.delivered(versions)
        number = journal.open
        try:
            if number is None:
                wanted = session.next_batch(delivered, [v for v in versions if partitions is None or v.partition in partitions])
                if not wanted:
                    return report
                number = journal.plan(wanted, run)
            batch = journal.batch(number, versions)
            facts = session.deliver(batch, delivered)
        except Overtaken:
            overtaken += 1
            if overtaken >= _ATTEMPTS:
                raise PortUnavailable(
                    f"{history.dataset}: other runs kept delivering to port {journal.port} first, {_ATTEMPTS} times in a row; run again"
                ) from None
            time.sleep(random.uniform(0, min(0.5, 0.01 * 2 ** min(overtaken, 6))))
            continue
        except PortUnavailable:
            raise
        except PortError as error:
            journal.give_up(journal.open or 0, run, str(error))
            raise
        journal.deliver(number, run, facts)
        report.batches.append((batch, facts))
        log(f"{history.dataset}: {_said(batch)} delivered to {journal.port}")


def finish(session: Session, journal: Journal, history: DatasetHistory, run: str) -> None:
    """Deliver the batch that a run left open, and no other. Raises as `deliver`."""
    session.prepare()
    for _ in range(_ATTEMPTS):
        versions = history.refresh().versions()
        journal.refresh()
        if (number := journal.open) is None:
            return
        try:
            facts = session.deliver(journal.batch(number, versions), journal.delivered(versions))
        except Overtaken:
            continue
        except PortUnavailable:
            raise
        except PortError as error:
            journal.give_up(number, run, str(error))
            return
        journal.deliver(number, run, facts)
        return
    raise PortUnavailable(f"{history.dataset}: other runs kept delivering to port {journal.port} first; run again")


def _said(batch: Batch) -> str:
    first = batch.versions[0]
    one = f"partition {first.partition} version {first.number}"
    return one if len(batch.versions) == 1 else f"{len(batch.versions)} versions from {one}"
