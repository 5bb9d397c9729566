"""The content of the synthetic register, night by night: a pure function of seed, size, epoch and day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Literal
from zoneinfo import ZoneInfo

from assets.enhetsregisteret.sandbox import units
from assets.enhetsregisteret.sandbox.changes import Op, apply, change, recount
from assets.enhetsregisteret.sandbox.codes import link
from assets.enhetsregisteret.sandbox.roles import reshuffle, roles
from assets.enhetsregisteret.sandbox.units import Body
from dataproducts.errors import ConfigurationError

UnitKind = Literal["enheter", "underenheter"]
Kind = Literal["enheter", "underenheter", "roller"]

SMALLEST, LARGEST = 50, 150_000
OSLO = "Europe/Oslo"
COUNTING_DAY = 12
"""Day of the month on which the employee numbers are refreshed."""
_EVENTS_FROM = time(3, 0)
_EVENTS_WITHIN = timedelta(minutes=110)


def built_at(day: date) -> datetime:
    """When the bulk files of `day` were built: 05:00 in Oslo, given in UTC."""
    return datetime.combine(day, time(5, 0), ZoneInfo(OSLO)).astimezone(UTC)


class World:
    """The register as its nightly build of `day` has it, with every event since the epoch.

    All that a night changes is published between 03:00 and 05:00 in Oslo, just before the build: the events of a civil
    day are exactly the difference between its bulk file and the one before. The real feed also publishes by day.
    """

    def __init__(self, *, seed: int = 1, units: int = 3000, epoch: date = date(2026, 11, 1)) -> None:
        """`units` is the number of enheter at first; there are four underenheter for every five of them."""
        if not SMALLEST <= units <= LARGEST:
            raise ConfigurationError(f"A sandbox world has from {SMALLEST} to {LARGEST:,} units, not {units}.")
        self.seed, self.units, self.epoch, self.day = seed, units, epoch, epoch
        self.live: dict[UnitKind, dict[str, Body]] = {"enheter": {}, "underenheter": {}}
        self.deleted: dict[UnitKind, dict[str, Body]] = {"enheter": {}, "underenheter": {}}
        self.removed: dict[UnitKind, dict[str, Body]] = {"enheter": {}, "underenheter": {}}
        self.roles: dict[str, Body] = {}
        self.events: dict[Kind, list[Body]] = {"enheter": [], "underenheter": [], "roller": []}
        self._numbers = iter(_numbered())
        self._children: dict[str, list[str]] = {}
        self._lasting: dict[str, None] = {}
        self._troubled: dict[str, None] = {}
        self._graves: list[tuple[date, str, Body, Body | None]] = []
        self._last_id, self._last_role_id = 31_000_000, 4_400_000
        self._now, self._step = built_at(epoch), 0
        self._found()

    def twin(self) -> World:
        """The same world at its epoch."""
        return World(seed=self.seed, units=self.units, epoch=self.epoch)

    def advance(self, to: date) -> None:
        """Let the nights pass until the build of `to`. Raises ConfigurationError for a day already gone."""
        if to < self.day:
            raise ConfigurationError(f"This sandbox world is at {self.day} and cannot go back to {to}; take its twin.")
        while self.day < to:
            self.day += timedelta(days=1)
            self._night(self.day)

    # The first day

    def _random(self, day: date) -> Random:
        return Random(f"{self.seed}/{self.units}/{self.epoch}/{day}")

    def _found(self) -> None:
        rng, day = self._random(self.epoch), self.epoch
        shown = [(form, fixed) for form, fixed in units.SHOWCASE]
        drawn = rng.choices(list(units.FORMS), list(units.FORMS.values()), k=self.units - len(shown))
        municipality = ""
        for form, fixed in [*shown, *((form, {}) for form in drawn)]:
            registered = day - timedelta(days=rng.randint(40, 11_000))
            extra = {"overordnetEnhet": municipality} if form == "ORGL" and municipality else {}
            body = units.enhet(rng, next(self._numbers), form, day, registered, fixed | extra)
            self.live["enheter"][body["organisasjonsnummer"]] = body
            if form == "KOMM":
                municipality = body["organisasjonsnummer"]
                self._lasting[municipality] = None
        everyone = list(self.live["enheter"].values())
        self._lasting |= dict.fromkeys(list(self.live["enheter"])[: len(shown)])
        self._firms = [body for body in everyone[len(shown) :] if body["organisasjonsform"]["kode"] == "AS"][:12]
        self._lasting |= dict.fromkeys(firm["organisasjonsnummer"] for firm in self._firms)

        for order in range(self.units * 4 // 5):
            fixed = units.SUB_SHOWCASE[order] if order < len(units.SUB_SHOWCASE) else {}
            parent = everyone[order] if order < len(shown) else rng.choice(everyone)
            number = self._new_sub_unit(rng, parent, day - timedelta(days=rng.randint(30, 9_000)), fixed)
            if fixed:
                self._lasting[number] = None

        for form, kind in [("UTBG", "enheter"), *[("AS", "enheter")] * 12, *[("AS", "underenheter")] * 8]:
            self._bury_at_birth(rng, form, "enheter" if kind == "enheter" else "underenheter", day)
        gone = self.deleted["enheter"].values()
        for order, body in enumerate(everyone):
            held = roles(rng, body, [*self._firms, *gone] if order % 50 == 0 else self._firms, day)
            if held:
                self.roles[body["organisasjonsnummer"]] = held

        # Events from before types existed: nothing is known of them but the unit.
        start = built_at(day) - timedelta(days=30)
        subjects = rng.sample(list(self.live["enheter"]), 30)
        for order, number in enumerate(subjects):
            self._now = start + timedelta(hours=20 * order, milliseconds=rng.randint(0, 999))
            self._publish("enheter", number, "Ukjent")

    def _bury_at_birth(self, rng: Random, form: str, kind: UnitKind, day: date) -> None:
        """A unit that was gone before the epoch: every fourth removed, the others deleted."""
        number, went = next(self._numbers), day - timedelta(days=rng.randint(1, 2_000))
        body = units.enhet(rng, number, form, went, went - timedelta(days=800), {})
        if kind == "underenheter":
            body = units.underenhet(rng, number, body, went, went - timedelta(days=700), {})
        if rng.random() < 0.25 and form != "UTBG":
            self.removed[kind][number] = units.removed(body, went)
        else:
            self.deleted[kind][number] = units.deleted(rng, body, went)

    # A night

    def _night(self, day: date) -> None:
        rng = self._random(day)
        plan: list[tuple[str, UnitKind, str]] = []
        rates: tuple[tuple[UnitKind, float, float], ...] = (("enheter", 0.008, 0.001), ("underenheter", 0.007, 0.0016))
        for kind, changing, born in rates:
            living = list(self.live[kind])
            plan += [("change", kind, number) for number in rng.sample(living, _count(rng, changing * len(living)))]
            plan += [("birth", kind, "")] * _count(rng, born * self.units)
            # Deaths follow the size of the register and births do not, so that it keeps its size over the years.
            candidates = list(self._troubled) if kind == "enheter" and rng.random() < 0.7 else living
            dying = _count(rng, 0.001 * len(living))
            plan += [("death", kind, number) for number in rng.sample(candidates, min(dying, len(candidates)))]
            if day.day == COUNTING_DAY:
                counted = [number for number, body in self.live[kind].items() if body["harRegistrertAntallAnsatte"]]
                plan += [("count", kind, number) for number in counted if rng.random() < 0.75]
        holding = list(self.roles)
        plan += [("roles", "enheter", number) for number in rng.sample(holding, _count(rng, len(holding) / 250))]
        night = (day - self.epoch).days
        if night % 5 == 3:
            kind = "enheter" if night % 2 else "underenheter"
            plan.append(("removal", kind, rng.choice(list(self.live[kind]))))
        if night % 7 == 5:
            plan.append(("return", "enheter", ""))
        rng.shuffle(plan)

        self._now = datetime.combine(day, _EVENTS_FROM, ZoneInfo(OSLO)).astimezone(UTC)
        # A quarter of the room is kept for what follows from something else, such as the sub-units of a deleted unit.
        self._step = max(2, int(_EVENTS_WITHIN / timedelta(milliseconds=1)) * 3 // (4 * (len(plan) + 25)))
        for happening, kind, number in plan:
            self._happen(rng, happening, kind, number, day)

    def _happen(self, rng: Random, happening: str, kind: UnitKind, number: str, day: date) -> None:
        body = self.live[kind].get(number)
        if happening == "birth":
            self._birth(rng, kind, day)
        elif happening == "return":
            self._return(rng, day)
        elif body is None:
            return  # gone earlier this night
        elif happening == "change" and number in self._lasting:
            return  # or the quirks would wear off with the years
        elif happening in {"change", "count"}:
            ops = change(rng, body, day) if happening == "change" else recount(rng, body, day)
            apply(body, ops)
            if body.get("konkurs") or body.get("underAvvikling"):
                self._troubled[number] = None
            self._tick(rng)
            self._publish(kind, number, "Endring", ops)
        elif happening == "roles":
            if number in self.roles:
                reshuffle(rng, self.roles[number], day)
                self._roles_changed(rng, number)
        elif number not in self._lasting:
            self._end(rng, kind, number, day, "Fjernet" if happening == "removal" else "Sletting")

    def _birth(self, rng: Random, kind: UnitKind, day: date) -> None:
        if kind == "underenheter":
            number = self._new_sub_unit(rng, rng.choice(list(self.live["enheter"].values())), day, {})
            self._tick(rng)
            self._publish("underenheter", number, "Ny")
            return
        form = rng.choices(list(units.FORMS), list(units.FORMS.values()))[0]
        body = units.enhet(rng, next(self._numbers), form, day, day, {})
        number = body["organisasjonsnummer"]
        self.live["enheter"][number] = body
        self._tick(rng)
        self._publish("enheter", number, "Ny")
        held = roles(rng, body, self._firms, day)
        if held:
            self.roles[number] = held
            self._roles_changed(rng, number)

    def _new_sub_unit(self, rng: Random, parent: Body, registered: date, fixed: Body) -> str:
        number = next(self._numbers)
        self.live["underenheter"][number] = units.underenhet(rng, number, parent, self.day, registered, fixed)
        self._children.setdefault(parent["organisasjonsnummer"], []).append(number)
        return number

    def _end(self, rng: Random, kind: UnitKind, number: str, day: date, event: str) -> None:
        for child in self._children.pop(number, []):
            if child in self.live["underenheter"] and child not in self._lasting:
                self._end(rng, "underenheter", child, day, event)
        body = self.live[kind].pop(number)
        held = self.roles.pop(number, None)
        self._troubled.pop(number, None)
        if event == "Fjernet":
            self.removed[kind][number] = units.removed(body, day)
        else:
            self.deleted[kind][number] = units.deleted(rng, body, day)
            if kind == "enheter":
                self._graves = [*self._graves, (day, number, body, held)][-20:]
        self._tick(rng)
        self._publish(kind, number, event)
        if held:
            self._roles_changed(rng, number)

    def _return(self, rng: Random, day: date) -> None:
        """A deletion undone some nights later: the number is back, and there is a gap in its history."""
        for grave in reversed(self._graves):
            died, number, body, held = grave
            if died <= day - timedelta(days=3):
                self._graves.remove(grave)
                del self.deleted["enheter"][number]
                self.live["enheter"][number] = body
                self._tick(rng)
                self._publish("enheter", number, "Ny")
                if held:
                    self.roles[number] = held
                    self._roles_changed(rng, number)
                return

    # Events

    def _tick(self, rng: Random) -> None:
        self._now += timedelta(milliseconds=rng.randint(1, self._step))
        self._last_id += rng.choice((0, 0, 1, 3))  # real ids have holes

    def _publish(self, kind: UnitKind, number: str, event: str, ops: list[Op] | None = None) -> None:
        self._last_id += 1
        body: Body = {
            "oppdateringsid": self._last_id,
            "dato": timestamp(self._now),
            "organisasjonsnummer": number,
            "endringstype": event,
        }
        if ops:
            body["endringer"] = ops
        if event != "Fjernet":
            body["_links"] = {kind.removesuffix("er"): link(f"/{kind}/{number}")["self"]}
        self.events[kind].append(body)

    def _roles_changed(self, rng: Random, number: str) -> None:
        self._tick(rng)
        self._last_role_id += rng.choice((1, 1, 2))
        self.events["roller"].append(
            {
                "specversion": "1.0",
                "id": str(self._last_role_id),
                "source": link(f"/enheter/{number}/roller")["self"]["href"],
                "type": "no.brreg.enhetsregisteret.rolle.oppdatert",
                "time": timestamp(self._now),
                "data": {"organisasjonsnummer": number},
            }
        )

    # What is served

    def bulk(self, kind: Kind) -> Iterable[Body]:
        """The elements of the bulk file, ascending by number as far as births allow."""
        if kind != "roller":
            return self.live[kind].values()
        return ({"organisasjonsnummer": number} | held for number, held in self.roles.items())


def timestamp(moment: datetime) -> str:
    """As the feeds write it: UTC, milliseconds, Z."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _numbered() -> Iterable[str]:
    yield from units.numbers()
    raise ConfigurationError("The sandbox world has used up its organization numbers; begin with fewer units.")


def _count(rng: Random, expected: float) -> int:
    whole = int(expected)
    return whole + (rng.random() < expected - whole)
