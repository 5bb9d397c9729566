"""The sensor `publish_metadata`: whatever the event log and the declarations say that the catalog has not taken yet, it is sent.

At least once, and what the catalog applies is idempotent. The event log is read from a low-water mark, and again for as long as an
id may still turn up late; a catalog that is away fails the tick, never a run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pydantic

from dataproducts.errors import CatalogUnavailable, DataProductsError
from dataproducts.examples import kept
from dataproducts.messages import MAX_BATCH, MAX_BODY, Definition, Said, Target, digest
from dataproducts.publication import events
from dataproducts.publication.cursor import Cursor, Dead
from dataproducts.publication.describe import bodies
from dataproducts.publication.events import Entry, Translation
from dataproducts.publication.reading import OVERLAP, PAGE, Reading

if TYPE_CHECKING:
    import dagster as dg

    from dataproducts.product import DataProduct

NAME = "publish_metadata"
BUDGET = 40.0
"""Seconds a tick may begin new work; Dagster stops one at 60."""
ATTEMPTS = 3
"""Ticks in which a message is tried before it is given up."""
AGAIN = timedelta(days=1)
"""When what was given up is tried once more; so it is when the location is loaded anew."""
FORCE = "DATAPRODUCTS_FORCE_REMOVAL"

_FEW, _SHARE = 3, 0.3  # so many subjects, or so large a share, may vanish without anybody being asked

Message = Said


@dataclass(frozen=True)
class Ticked:
    """What a tick did: the cursor for the next one, how much was sent, and what needs a person."""

    cursor: str
    sent: int
    problems: tuple[str, ...]
    summary: str


class Publication:
    """Publishes the products of one location to one target.

    `read` reads the event log; `now` is the time of day, `seconds` a clock for the budget. Tests give others.
    """

    def __init__(
        self,
        products: Mapping[str, DataProduct],
        target: Target | Callable[[], Target],
        location: str,
        *,
        name: str = NAME,
        overlap: timedelta = OVERLAP,
        budget: float = BUDGET,
        attempts: int = ATTEMPTS,
        page: int = PAGE,
        read: Callable[..., list[Entry]] = events.entries,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.products, self.location, self.name = products, location, name
        self.overlap, self.budget, self.attempts, self.page = overlap, budget, attempts, page
        self.read, self.now, self.seconds = read, now, seconds
        self.translation = Translation.of(location, products)
        self._target = target
        self._declared: dict[str, tuple[str, Any]] | None = None
        self._whole = self._stamp = ""
        self._is_new = True

    @property
    def target(self) -> Target:
        """Where messages go; made when first needed."""
        if callable(self._target):
            self._target = self._target()
        return self._target

    def tick(self, instance: dg.DagsterInstance, cursor: str | None) -> Ticked:
        """Publish what there is time for.

        Raises CatalogUnavailable where the catalog took nothing; where it went away midway, what it took is remembered.
        """
        return _Tick(self, instance, Cursor.read(cursor)).run()

    def declared(self) -> dict[str, tuple[str, Any]]:
        """By subject, hash and body (or why there is none) of everything declared; worked out anew only where examples were run."""
        stamp = kept.stamp(self.products)
        if self._declared is None or stamp != self._stamp:
            found = {}
            for subject, body in bodies(self.products):
                said = str(body) if isinstance(body, Exception) else body.model_dump(mode="json")
                found[subject] = digest(said)[:12], body
            self._whole = digest({subject: short for subject, (short, _) in found.items()})[:16]
            self._declared, self._stamp = found, stamp
        return self._declared

    @property
    def whole(self) -> str:
        """One hash over everything declared."""
        self.declared()
        return self._whole

    def is_new(self) -> bool:
        """Whether this is the first tick since the location was loaded."""
        was, self._is_new = self._is_new, False
        return was


class _Tick:
    """One tick, and what it learns on its way."""

    def __init__(self, publication: Publication, instance: dg.DagsterInstance, cursor: Cursor) -> None:
        self.of, self.instance, self.cursor = publication, instance, cursor
        self.now, self.started = publication.now(), publication.seconds()
        self.sent = 0
        self.slowest = 0.0  # seconds of a batch
        self.away: str | None = None
        self.withheld: list[str] = []
        self.due: set[str] = set()  # of what was given up, what is tried once more

    def run(self) -> Ticked:
        is_new = self.of.is_new()
        self.due = {key for key, dead in self.cursor.dead.items() if is_new or self.now - dead.tried >= AGAIN}
        try:
            self.definitions()
            self.log()
            self.dead_letters()
        except CatalogUnavailable as error:
            if not self.sent:
                raise
            self.away = str(error)
        problems = tuple(self.problems())
        self.show(problems)
        return Ticked(self.cursor.text(), self.sent, problems, self.summary(problems))

    @property
    def most(self) -> int:
        return min(MAX_BATCH, getattr(self.of.target, "most", MAX_BATCH))

    def is_over(self) -> bool:
        """Whether the time is up, or would be before one more batch like the slowest so far was taken."""
        return self.of.seconds() - self.started + self.slowest >= self.of.budget

    # what is declared

    def definitions(self) -> None:
        """Send what is declared otherwise than the catalog has it, and that what is no longer declared is gone."""
        cursor = self.cursor
        if self.of.whole == cursor.whole and not any("@" in key for key in self.due):
            return
        declared, published = self.of.declared(), cursor.published
        gone = sorted(published.keys() - declared.keys())
        if len(gone) > max(_FEW, _SHARE * len(published)) and os.environ.get(FORCE) != "1":
            self.withheld, gone = gone, []
        wanted: dict[str, tuple[str, list[Message] | Exception]] = {}
        for subject, (short, body) in declared.items():
            if published.get(subject) != short and self.may_be_sent(f"{subject}@{short}"):
                wanted[f"{subject}@{short}"] = short, body if isinstance(body, Exception) else [self.definition(subject, body)]
        for subject in gone:
            if self.may_be_sent(f"{subject}@"):
                wanted[f"{subject}@"] = "", [self.definition(subject, None)]
        for key in self.send((key, messages) for key, (_, messages) in wanted.items()):
            subject, short = key.split("@")[0], wanted[key][0]
            if short:
                published[subject] = short
            else:
                published.pop(subject, None)
            for other in [k for k in (*cursor.dead, *cursor.failing) if k.startswith(f"{subject}@")]:
                cursor.dead.pop(other, None)
                cursor.failing.pop(other, None)
        current = {f"{subject}@{short}" for subject, (short, _) in declared.items()} | {f"{subject}@" for subject in published}
        for key in [k for k in (*cursor.dead, *cursor.failing) if "@" in k and k not in current]:
            cursor.dead.pop(key, None)
            cursor.failing.pop(key, None)
        done = all(published.get(s) == short or f"{s}@{short}" in cursor.dead for s, (short, _) in declared.items())
        left = [s for s in published if s not in declared and f"{s}@" not in cursor.dead]
        cursor.whole = self.of.whole if done and not left else ""

    def may_be_sent(self, key: str) -> bool:
        return key not in self.cursor.dead or key in self.due

    def definition(self, subject: str, body: Any) -> Definition:
        kind = subject.split(":", 1)[0]
        return Definition(location=self.of.location, subject=subject, observed_at=self.now, **({kind: body} if body is not None else {}))

    # what happened

    def log(self) -> None:
        """Send what the event log has beyond the mark."""
        cursor = self.cursor
        reading = Reading(
            self.instance, cursor, is_settled=self.is_settled, now=self.now, overlap=self.of.overlap, page=self.of.page, read=self.of.read
        )
        if reading.mend():
            cursor.failing = {key: n for key, n in cursor.failing.items() if "@" in key}
            cursor.dead = {key: dead for key, dead in cursor.dead.items() if "@" in key or int(key) <= cursor.low}
        with closing(reading.pages(self.is_over)) as pages:
            for page in pages:
                self.publish(page)

    def is_settled(self, number: int) -> bool:
        return number in self.cursor.seen or str(number) in self.cursor.dead

    def publish(self, page: Sequence[Entry]) -> None:
        ours = [e for e in page if self.of.translation.concerns(e)]
        self.cursor.seen.update(e.id for e in page if not self.of.translation.concerns(e))
        if not ours:
            return
        payloads = events.records(self.instance, [e.id for e in ours])
        gone = [e.id for e in ours if e.id not in payloads]  # wiped between the two questions
        self.cursor.seen.update(gone)
        for key in self.send(self.translated(ours, payloads)):
            self.cursor.seen.add(int(key))

    def translated(self, page: Sequence[Entry], payloads: Mapping[int, Any]) -> Iterator[tuple[str, Sequence[Message] | Exception]]:
        for entry in page:
            if entry.id in payloads:
                try:
                    yield str(entry.id), self.of.translation.messages(self.instance, entry, payloads[entry.id])
                except CatalogUnavailable:
                    raise
                except Exception as error:  # of one entry, which must not hold up the next
                    yield str(entry.id), error

    # sending

    def send(self, wanted: Iterator[tuple[str, Sequence[Message] | Exception]]) -> Iterator[str]:
        """Send messages in batches while there is time. Gives the keys of which the catalog took all messages, batch by batch."""
        batch: list[tuple[str, Sequence[Message]]] = []
        size = count = 0
        for key, messages in wanted:
            if self.is_over():
                break
            if isinstance(messages, Exception):
                self.fail(key, _said(messages))
                continue
            weight = sum(len(m.model_dump_json()) for m in messages)
            if batch and (size + weight > MAX_BODY or count + len(messages) > self.most):
                yield from self.deliver(batch)
                batch, size, count = [], 0, 0
            batch.append((key, messages))
            size, count = size + weight, count + len(messages)
        if batch:
            yield from self.deliver(batch)

    def deliver(self, batch: Sequence[tuple[str, Sequence[Message]]]) -> Iterator[str]:
        flat = [message for _, messages in batch for message in messages]
        receipts = []
        began = self.of.seconds()
        for at in range(0, len(flat), self.most):
            receipts += self.of.target.send(flat[at : at + self.most])
        self.slowest = max(self.slowest, self.of.seconds() - began)
        if len(receipts) != len(flat):
            raise CatalogUnavailable(f"{self.of.target.name} gave {len(receipts)} receipts for {len(flat)} messages; look at its log")
        answers = iter(receipts)
        for key, messages in batch:
            own = [next(answers) for _ in messages]
            problem = next((r.problem or "no reason given" for r in own if r.status == "refused"), None)
            if problem is not None:
                self.fail(key, problem)
                continue
            self.cursor.failing.pop(key, None)
            self.sent += len(messages)
            yield key

    def fail(self, key: str, reason: str) -> None:
        """Count an attempt; after the last one the message is given up, with the reason."""
        cursor = self.cursor
        cursor.failing[key] = cursor.failing.get(key, 0) + 1
        if key in cursor.dead or cursor.failing[key] >= self.of.attempts:
            cursor.failing.pop(key, None)
            cursor.dead[key] = Dead(reason[:300], self.now)

    def dead_letters(self) -> None:
        """Try again, now and then, what was given up: the catalog, or the code, may have been mended."""
        due = [key for key in self.due if "@" not in key and key in self.cursor.dead]
        if not due or self.is_over():
            return
        there = events.entries_of(self.instance, [int(key) for key in due])
        payloads = events.records(self.instance, [e.id for e in there])
        for key in set(due) - {str(number) for number in payloads}:
            self.cursor.dead.pop(key)  # wiped: there is nothing left to tell
        for key in self.send(self.translated(there, payloads)):
            self.cursor.dead.pop(key)

    # what a person sees

    def problems(self) -> Iterator[str]:
        for key, dead in self.cursor.dead.items():
            what = key.split("@")[0] if "@" in key else f"event {key}"
            yield f"{what} was given up: {dead.reason or 'see the first ones'}"
        if self.withheld:
            some = ", ".join([*self.withheld[:5], *(["…"] if len(self.withheld) > 5 else [])])
            yield (
                f"{len(self.withheld)} of {len(self.cursor.published)} products and datasets are no longer declared ({some}), and stay in "
                f"the catalog; if that is meant, set {FORCE}=1 for one tick"
            )

    def show(self, problems: Sequence[str]) -> None:
        """Say in Dagster, when it changes, what was given up: as the result of a check of the location's catalog asset."""
        import dagster as dg

        said = digest(list(problems))[:12]
        if said == self.cursor.shown:
            return
        self.cursor.shown = said
        self.instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey([self.of.location, "catalog"]),
                check_name=self.of.name,
                passed=not problems,
                severity=dg.AssetCheckSeverity.ERROR,
                description=f"{len(problems)} problems; the first: {problems[0]}" if problems else "Everything was taken.",
                metadata={"problems": dg.MarkdownMetadataValue("\n".join(f"- {_plain(p)}" for p in problems[:100]))} if problems else {},
            )
        )

    def summary(self, problems: Sequence[str]) -> str:
        parts = [f"{self.sent:,} messages sent" if self.sent else "nothing new"]
        if self.cursor.failing:
            parts.append(f"{len(self.cursor.failing)} refused so far, and tried again")
        if problems:
            parts.append(f"{len(problems)} problems: {problems[0]}")
        if self.is_over():
            parts.append("more to come in the next tick")
        if self.away:
            parts.append(f"then {self.away}")
        return "; ".join(parts)


def _said(error: Exception) -> str:
    if isinstance(error, pydantic.ValidationError):
        fault = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
    return str(error) if isinstance(error, DataProductsError) else f"{type(error).__name__}: {error}"


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace("\n", " ")


def publication_sensor(
    products: Mapping[str, DataProduct],
    target: Target | Callable[[], Target],
    location: str,
    *,
    name: str = NAME,
    **settings: Any,
) -> dg.SensorDefinition:
    """The sensor that publishes a location's products to a target, on from the start. `settings` are those of Publication.

    Another target is another sensor with another `name`: each has its own cursor, so that one that is away holds up no other.
    Keep the names of the sensor and the location: the cursor is found by them.
    """
    import dagster as dg

    publication = Publication(products, target, location, name=name, **settings)

    @dg.sensor(
        name=name,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Tells the catalog of every materialization, check result, failure and changed declaration. Reset its cursor to send all anew."
        ),
    )
    def publish(context):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - Dagster reads the annotation as text
        ticked = publication.tick(context.instance, context.cursor)
        context.update_cursor(ticked.cursor)
        for problem in ticked.problems[:20]:
            context.log.warning(problem)
        if ticked.sent:
            context.log.info(ticked.summary)
        return dg.SkipReason(ticked.summary)

    return publish
