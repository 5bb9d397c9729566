"""What happens to the synthetic ads, day by day: a pure function of seed, epoch and day."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from random import Random

from assets.arbeidsplassen.sandbox import ads, words
from assets.arbeidsplassen.sandbox.ads import OSLO, Body, Employer, midnight
from dataproducts.errors import ConfigurationError

FULL_DAY, DAY_OF_REST = 1.0, 0.15
HOURS = (1, 1, 2, 2, 2, 3, 6, 14, 22, 24, 22, 20, 18, 20, 20, 16, 10, 7, 6, 6, 5, 4, 3, 2)
"""How busy each hour of the day is."""

Change = Callable[[Random, "Ad", datetime], None]


@dataclass(frozen=True)
class Event:
    """One message. `at` is its timestamp, `sent` when it reached the topic, both UTC; the topic has them in the order of `sent`."""

    at: datetime
    sent: datetime
    key: str
    value: bytes | None


@dataclass
class Ad:
    """An ad as it is now. `ended` is the day it was taken down, rejected or deleted, or ran out."""

    body: Body
    ended: date | None = None

    @property
    def ends(self) -> date:
        """The day on which it expires."""
        return date.fromisoformat(self.body["expires"][:10])


class World:
    """The ads of a job market with about `births` new ones on a working day, and all that was sent about them since before the epoch.

    The history begins with the ads that were active when the epoch began, sent in the two days before it.
    """

    def __init__(self, *, seed: int = 1, epoch: date = date(2026, 11, 1), births: int = 90, hiring: Sequence[Employer] = ()) -> None:
        if births < 1:
            raise ConfigurationError(f"A sandbox world has at least one new ad a day, not {births}.")
        self.seed, self.epoch, self.births = seed, epoch, births
        self.day = epoch - timedelta(days=1)
        """The last day that has happened."""
        self.log: list[Event] = []
        """Everything sent so far, in the order of the topic."""
        self._hiring = tuple(hiring) or ads.employers()
        self._numbers = count(900_000)
        self._ads: dict[str, Ad] = {}
        self._happened: list[Event] = []
        self._late: list[Event] = []
        self._open()

    def advance(self, to: date) -> None:
        """Let the days pass until the end of `to`; days already gone are not undone."""
        while self.day < to:
            self.day += timedelta(days=1)
            self._live(self.day)

    def events(self, day: date) -> list[Event]:
        """What is sent on that day (Norwegian time), in order."""
        self.advance(day)
        first, last = midnight(day), midnight(day + timedelta(days=1))
        return [event for event in self.log if first <= event.sent < last]

    # Days

    def _random(self, day: date) -> Random:
        return Random(f"{self.seed}/{self.births}/{self.epoch}/{day}")

    def _open(self) -> None:
        rng, start = self._random(self.day), midnight(self.epoch) - timedelta(days=2)
        for order in range(self.births * 12):
            at = start + timedelta(minutes=2 * 1440 * order / (self.births * 12), microseconds=rng.randrange(10**6))
            begun = at - timedelta(days=rng.randint(0, 25))
            body = ads.ad(rng, next(self._numbers), begun, self._hiring)
            if body["expires"] <= ads.local(midnight(self.epoch)):
                body["expires"] = ads.local(midnight(self.epoch + timedelta(days=rng.randint(1, 20))))
            ads.touch(body, at, "import-api")
            self._ads[body["uuid"]] = Ad(body)
            self._say(rng, body, at, on_time=True)
        self._send(midnight(self.epoch))

    def _live(self, day: date) -> None:
        rng = self._random(day)
        pace = FULL_DAY if day.weekday() < 5 else DAY_OF_REST
        plan: list[tuple[datetime, Change, Ad]] = []

        def at(change: Change, ad: Ad) -> None:
            plan.append((self._moment(rng, day), change, ad))

        active = [ad for ad in self._ads.values() if ad.ended is None]
        ended = [ad for ad in self._ads.values() if ad.ended is not None and day - ad.ended < timedelta(days=20)]
        for _ in range(_about(rng, self.births * pace)):
            at(self._birth, Ad({}))
        changes: tuple[tuple[Change, float, list[Ad]], ...] = (
            (self._edit, 0.06, active),
            (self._stop, 0.02, active),
            (self._republish, 0.03, ended),
            (self._hide, 0.002, active),
            (self._delete, 0.01, ended),
        )
        for change, share, among in changes:
            for ad in rng.sample(among, min(len(among), _about(rng, share * len(among) * pace))):
                at(change, ad)
        plan.sort(key=lambda item: item[0])
        for ad in active:
            if ad.ends <= day:
                self._expire(rng, ad, day)
        for moment, change, ad in plan:
            change(rng, ad, moment)
        self._break(rng)
        self._send(midnight(day + timedelta(days=1)))
        for uuid in [u for u, ad in self._ads.items() if ad.ended is not None and day - ad.ended > timedelta(days=60)]:
            del self._ads[uuid]

    def _moment(self, rng: Random, day: date) -> datetime:
        (hour,) = rng.choices(range(24), HOURS)
        clock = time(hour, rng.randrange(60), rng.randrange(60), rng.randrange(10**6))
        civil = datetime.combine(day, clock, OSLO).astimezone(UTC)  # before anything is added: an hour may be left out that night
        return max(min(civil, midnight(day + timedelta(days=1)) - timedelta(seconds=1)), midnight(day))

    # What may happen to an ad, unless something else has happened to it that day

    def _birth(self, rng: Random, new: Ad, at: datetime) -> None:
        body = new.body = ads.ad(rng, next(self._numbers), at, self._hiring)
        self._ads[body["uuid"]] = new
        if body["source"] != "DIR":
            self._say(rng, body, at)
            return
        # an employer's own ad waits for a case worker, who may refuse it
        ads.handle(rng, body, at, "PENDING")
        body["status"], body["publishedByAdmin"] = "INACTIVE", None
        self._say(rng, body, at)
        seen = at + timedelta(minutes=rng.randint(5, 50))
        refused = rng.random() < 0.12
        ads.handle(rng, body, seen, "DONE", rng.sample(words.REMARKS, rng.choice((1, 1, 2))) if refused else ())
        body["status"] = "REJECTED" if refused else "ACTIVE"
        if refused:
            new.ended = at.astimezone(OSLO).date()
        ads.touch(body, seen, "nss-admin")
        self._say(rng, body, seen)

    def _edit(self, rng: Random, ad: Ad, at: datetime) -> None:
        if ad.ended is None:
            ads.edit(rng, ad.body, at)
            ads.touch(ad.body, at, "import-api")
            self._say(rng, ad.body, at)

    def _stop(self, rng: Random, ad: Ad, at: datetime) -> None:
        if ad.ended is None:
            self._end(rng, ad, at, "STOPPED", masked=rng.random() < 0.5)

    def _hide(self, rng: Random, ad: Ad, at: datetime) -> None:
        if ad.ended is None:
            ad.body["privacy"] = "INTERNAL_NOT_SHOWN"
            ads.touch(ad.body, at, "nss-admin")
            self._say(rng, ad.body, at)

    def _delete(self, rng: Random, ad: Ad, at: datetime) -> None:
        if ad.ended is not None and ad.body["status"] != "DELETED":
            self._end(rng, ad, at, "DELETED", masked=True)

    def _expire(self, rng: Random, ad: Ad, day: date) -> None:
        """An ad that has run out is told of, or just runs out."""
        if rng.random() < 0.6:
            at = midnight(day) + timedelta(minutes=rng.randint(1, 20), microseconds=rng.randrange(10**6))
            self._end(rng, ad, at, "INACTIVE", masked=False)
        ad.ended = day

    def _end(self, rng: Random, ad: Ad, at: datetime, status: str, *, masked: bool) -> None:
        ad.body["status"], ad.ended = status, at.astimezone(OSLO).date()
        ads.touch(ad.body, at, "import-api")
        if masked:
            ads.mask(ad.body)
        self._say(rng, ad.body, at)

    def _republish(self, rng: Random, ad: Ad, at: datetime) -> None:
        if ad.ended is None or ad.body["status"] in ("DELETED", "REJECTED"):
            return
        ad.body["status"], ad.body["privacy"], ad.ended = "ACTIVE", "SHOW_ALL", None
        ads.renew(rng, ad.body, at)
        ads.people(rng, ad.body)
        ads.touch(ad.body, at, "import-api")
        self._say(rng, ad.body, at)

    # The topic

    def _say(self, rng: Random, body: Body, at: datetime, *, on_time: bool = False) -> None:
        delay = timedelta(milliseconds=rng.randint(5, 900))
        drawn = 1.0 if on_time else rng.random()
        if drawn < 0.03:
            delay = timedelta(minutes=rng.randint(2, 90))
        elif drawn < 0.033:
            delay = timedelta(hours=rng.randint(12, 40))
        self._happened.append(Event(at, at + delay, body["uuid"], ads.encode(body)))

    def _break(self, rng: Random) -> None:
        """Now and then something goes wrong on the way; the message is sent again, whole, some seconds later."""
        for order in [i for i in range(len(self._happened)) if rng.random() < 0.004]:
            whole = self._happened[order]
            assert whole.value is not None
            self._happened.append(Event(whole.at, whole.sent - timedelta(milliseconds=1), whole.key, _broken(rng, whole.value)))

    def _send(self, until: datetime) -> None:
        waiting = sorted([*self._late, *self._happened], key=lambda event: event.sent)
        self.log += [event for event in waiting if event.sent < until]
        self._late = [event for event in waiting if event.sent >= until]
        self._happened = []


def _broken(rng: Random, value: bytes) -> bytes | None:
    kind = rng.choice(("no JSON", "nothing", "half", "no object", "wrong type", "no text"))
    if kind == "no JSON":
        return b"<html><title>502 Bad Gateway</title></html>"
    if kind == "nothing":
        return None
    if kind == "half":
        return value[: len(value) // 2]
    if kind == "no object":
        return b'["' + value[8:12] + b'"]'
    if kind == "no text":
        return b"\xff\xfe" + value[:40]
    body = deepcopy(json.loads(value))
    body[rng.choice(("id", "contactList", "created", "employer"))] = "ukjent"
    return ads.encode(body)


def _about(rng: Random, expected: float) -> int:
    """A whole number that is `expected` on average."""
    return int(expected) + (rng.random() < expected % 1)
