"""One synthetic ad as the topic carries it (AdTransport), and the changes that an ad goes through."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from random import Random
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from assets.arbeidsplassen.sandbox import words
from assets.enhetsregisteret.sandbox.codes import PLACES
from assets.enhetsregisteret.sandbox.words import domain, person, street, telephone

WEIGHTS: Final = (3, 2, 7, 6, 5, 4, 3, 2)
"""Of the first eight digits of an organization number."""

Body = dict[str, Any]
OSLO: Final = ZoneInfo("Europe/Oslo")

LONGEST: Final = timedelta(days=180)
"""An ad is active for half a year at most."""

_SOURCES: Final = ("AMEDIA", "FINN", "DIR", "DIR", "ASS")
_MEDIA: Final = {"AMEDIA": "Amedia", "FINN": "FINN", "DIR": "Stillingsregistrering", "ASS": "Webcruiter"}


@dataclass(frozen=True)
class Employer:
    """Who advertises: a sub-unit of the register, or one that it does not know."""

    number: str | None
    parent: str | None
    name: str
    place: tuple[str, str, str, str]
    """Postal code, post office, municipality, its number."""


@cache
def employers() -> tuple[Employer, ...]:
    """Every business among the sub-units that the synthetic register has at first, in its order."""
    from assets.enhetsregisteret.sandbox import World

    found = []
    for unit in World().bulk("underenheter"):
        at = unit.get("beliggenhetsadresse", {})
        if unit["organisasjonsform"]["kode"] == "BEDR" and at.get("kommunenummer"):
            place = (at["postnummer"], at["poststed"], at["kommune"], at["kommunenummer"])
            found.append(Employer(unit["organisasjonsnummer"], unit.get("overordnetEnhet"), unit["navn"], place))
    return tuple(found)


@cache
def strangers() -> tuple[str, ...]:
    """Valid organization numbers (mod 11) that the synthetic register never hands out: the last of those it would."""
    found = []
    for base in range(80_999_000, 81_000_000):
        check = -sum(int(digit) * weight for digit, weight in zip(str(base), WEIGHTS, strict=True)) % 11
        if check < 10:
            found.append(f"{base}{check}")
    return tuple(found)


def local(moment: datetime) -> str:
    """As the topic writes times: Norwegian, without a zone, to the microsecond where there are any."""
    return moment.astimezone(OSLO).replace(tzinfo=None).isoformat()


def midnight(day: date) -> datetime:
    """The beginning of a Norwegian day, in UTC."""
    return datetime.combine(day, time(), OSLO).astimezone(UTC)


def ad(rng: Random, number: int, at: datetime, hiring: Sequence[Employer]) -> Body:
    """A new ad, active and published at that moment."""
    employer = _employer(rng, hiring)
    styrk, name, titles, esco = rng.choice(words.OCCUPATIONS)
    title = rng.choice(titles)
    source = rng.choice(_SOURCES)
    uuid = str(UUID(int=rng.getrandbits(128), version=4))
    body: Body = {
        "id": number,
        "uuid": uuid,
        "createdBy": "pam-rekruttering" if source == "DIR" else "import-api",
        "updatedBy": "import-api",
        "created": local(at),
        "updated": local(at),
        "mediaList": [],
        "contactList": [_contact(rng, employer) for _ in range(rng.choice((1, 1, 1, 2)))],
        "locationList": _locations(rng, employer),
        "properties": _properties(rng, title, styrk, esco, employer, at),
        "title": title,
        "status": "ACTIVE",
        "privacy": "SHOW_ALL",
        "source": source,
        "medium": _MEDIA[source],
        "reference": uuid if source == "DIR" else str(rng.randint(10_000_000, 99_999_999)),
        "published": _to_the_day(at),
        "expires": None,
        "employer": _unit(rng, employer, at) if employer else None,
        "categoryList": [
            {"id": rng.randint(1, 9_999), "code": styrk, "categoryType": "STYRK08", "name": name, "description": None, "parentId": None,
             "score": round(rng.uniform(0.6, 1), 3)},
            {"id": rng.randint(1, 9_999), "code": esco, "categoryType": "ESCO", "name": title, "description": None, "parentId": None},
        ],
        "administration": {"status": "DONE", "comments": None, "reportee": "Auto", "remarks": [], "navIdent": None, "message": None},
        "publishedByAdmin": local(at),
        "businessName": employer.name if employer else None,
    }  # fmt: skip
    renew(rng, body, at)
    return body


def renew(rng: Random, body: Body, at: datetime) -> None:
    """Give the ad a time to be active in."""
    day = at.astimezone(OSLO).date()
    body["published"] = _to_the_day(at)
    ends = day + min(timedelta(days=rng.choice((7, 10, 14, 14, 21, 21, 28, 30, 45, 60))), LONGEST)
    body["expires"] = local(midnight(ends))
    body["properties"]["applicationdue"] = rng.choice((f"{ends}T00:00:00", ends.isoformat(), "Snarest", "Fortløpende"))


def touch(body: Body, at: datetime, by: str) -> None:
    """Who changed the ad last, and when."""
    body["updated"], body["updatedBy"] = local(at), by


def edit(rng: Random, body: Body, at: datetime) -> None:
    """A small change of the sort employers make."""
    what = rng.choice(("text", "title", "contact", "count", "due", "place"))
    if what == "text":
        body["properties"]["adtext"] = _text(rng)
    elif what == "title":
        body["title"] = f"{body['properties']['jobtitle']} søkes"
    elif what == "contact":
        body["contactList"] = [_contact(rng, None)]
    elif what == "count":
        body["properties"]["positioncount"] = str(rng.randint(1, 8))
    elif what == "due":
        body["expires"] = local(midnight(at.astimezone(OSLO).date() + timedelta(days=rng.randint(7, 30))))
    elif body["locationList"]:
        body["locationList"][0]["address"] = street(rng)


def handle(rng: Random, body: Body, at: datetime, status: str, remarks: Sequence[str] = ()) -> None:
    """What a case worker of NAV leaves on the ad."""
    given, family = person(rng)
    body["administration"] = {
        "status": status,
        "comments": "Se vedlagte merknad." if remarks else None,
        "reportee": f"{given} {family}",
        "remarks": list(remarks),
        "navIdent": f"X00{rng.randint(0, 9999):04d}",
        "message": None,
    }
    if status == "DONE" and not remarks:
        body["publishedByAdmin"] = local(at)


def mask(body: Body) -> None:
    """What sources do that follow the feed's terms themselves: no people on an ad that is no longer shown."""
    body["contactList"] = []
    if body["employer"]:
        body["employer"]["contactList"] = []


def people(rng: Random, body: Body) -> None:
    """Somebody to ask, for an ad that is shown again."""
    if not body["contactList"]:
        body["contactList"] = [_contact(rng, None)]


def encode(body: Body) -> bytes:
    """The message's value. What is missing is left out in some objects and null in others, as in the real ones."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _employer(rng: Random, hiring: Sequence[Employer]) -> Employer | None:
    drawn = rng.random()
    if drawn < 0.02:
        return None
    chosen = rng.choice(hiring)
    if drawn < 0.04:
        return Employer(None, None, chosen.name, chosen.place)
    if drawn < 0.07:
        return Employer(rng.choice(strangers()), None, f"{chosen.name} (NY)", chosen.place)
    return chosen


def _unit(rng: Random, employer: Employer, at: datetime) -> Body:
    since = local(at - timedelta(days=rng.randint(30, 900)))
    return {
        "id": rng.randint(1_000, 99_999),
        "uuid": str(UUID(int=rng.getrandbits(128), version=4)),
        "createdBy": "enhetsregister",
        "updatedBy": "enhetsregister",
        "created": since,
        "updated": since,
        "contactList": [_contact(rng, employer)] if rng.random() < 0.1 else [],
        "mediaList": [],
        "locationList": [_place(rng, employer.place)],
        "properties": {},
        "name": employer.name,
        "orgnr": employer.number,
        "status": "ACTIVE",
        "parentOrgnr": employer.parent,
        "publicName": employer.name.title(),
        "deactivated": None,
        "orgform": "BEDR",
        "employees": rng.choice((0, 3, 7, 12, 40, 180)),
    }


def _contact(rng: Random, employer: Employer | None) -> Body:
    given, family = person(rng)
    where = domain(employer.name) if employer else "jobb.example"
    return {
        "name": f"{given} {family}",
        "title": rng.choice(words.CONTACT_TITLES),
        "email": f"{given.lower()}@{where}".encode("ascii", "ignore").decode(),
        "phone": telephone(rng, mobile=True),
        "role": None,
    }


def _locations(rng: Random, employer: Employer | None) -> list[Body]:
    drawn = rng.random()
    if drawn < 0.04:
        return []
    first = _place(rng, employer.place if employer and drawn < 0.8 else rng.choice(PLACES))
    if drawn < 0.06:  # abroad: neither municipality nor county
        return [{"address": None, "postalCode": None, "country": "SVERIGE", "county": None, "municipal": None, "city": "STRÖMSTAD"}]
    return [first, _place(rng, rng.choice(PLACES))] if drawn > 0.95 else [first]


def _place(rng: Random, place: tuple[str, str, str, str]) -> Body:
    postal_code, city, municipality, number = place
    return {
        "address": street(rng),
        "postalCode": postal_code,
        "country": "NORGE",
        "county": words.COUNTIES[number[:2]],
        "municipal": municipality,
        "municipalCode": number,
        "city": city,
        "latitude": f"{58 + rng.random() * 12:.5f}",
        "longitude": f"{5 + rng.random() * 20:.5f}",
    }


def _properties(rng: Random, title: str, styrk: str, esco: str, employer: Employer | None, at: datetime) -> dict[str, str]:
    score = round(rng.uniform(0.6, 1), 3)
    found = {
        "adtext": _text(rng),
        "jobtitle": title,
        "extent": rng.choice(words.EXTENTS),
        "engagementtype": rng.choice(words.ENGAGEMENTS),
        "starttime": rng.choice(("Snarest", "Etter avtale", f"{at.date() + timedelta(days=30)}T00:00:00")),
        "sector": rng.choice(words.SECTORS),
        "applicationdue": "Snarest",
        "sourceurl": f"https://annonser.example/{rng.randint(1, 10**8)}",
        "searchtags": json.dumps([{"label": title, "score": score}], ensure_ascii=False, separators=(",", ":")),
        "classification_styrk08_code": styrk,
        "classification_styrk08_score": str(score),
        "classification_esco_code": esco,
        "classification_input_source": "jobtitle",
        "_score": json.dumps([{"name": "sistOppdatert", "value": rng.randint(0, 50)}], separators=(",", ":")),
        "_scoretotal": str(rng.randint(0, 300)),
    }
    if rng.random() < 0.9:
        found["positioncount"] = rng.choice(("1", "1", "1", "1", "2", "3", "5", "Flere"))
    if rng.random() < 0.6:
        found["applicationurl"] = f"https://soknad.example/{rng.randint(1, 10**8)}"
    if employer:
        found["employer"] = employer.name
        found["employerdescription"] = f"<p>{employer.name.capitalize()} har holdt på lenge.</p>"
        found["employerhomepage"] = f"https://www.{domain(employer.name)}"
    return found


def _text(rng: Random) -> str:
    tasks = "".join(f"<li>{task}</li>" for task in rng.sample(words.TASKS, 3))
    return f"<p>{rng.choice(words.OPENINGS)}</p><ul>{tasks}</ul><p>{rng.choice(words.WISHES)}</p>"


def _to_the_day(at: datetime) -> str:
    return local(midnight(at.astimezone(OSLO).date()))
