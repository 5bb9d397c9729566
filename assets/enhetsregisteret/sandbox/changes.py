"""What may happen to a live unit, as RFC 6902 operations: the same that change the record go out in the event."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from assets.enhetsregisteret.sandbox import units, words
from assets.enhetsregisteret.sandbox.codes import SUB_UNIT_FORMS
from assets.enhetsregisteret.sandbox.units import Body

Op = dict[str, Any]


def apply(body: Body, ops: list[Op]) -> None:
    """Change `body` as the operations say: `add`, `replace` and `remove`, `-` appends to an array."""
    for op in ops:
        *parents, last = op["path"].lstrip("/").split("/")
        target: Any = body
        for part in parents:
            target = target[int(part) if isinstance(target, list) else part]
        # The record goes on changing; the event must keep the value it told.
        value = op.get("value")
        if isinstance(value, (dict, list)):
            value = deepcopy(value)
        if isinstance(target, list):
            if op["op"] == "add":
                target.insert(len(target) if last == "-" else int(last), value)
            elif op["op"] == "replace":
                target[int(last)] = value
            else:
                del target[int(last)]
        elif op["op"] == "remove":
            del target[last]
        else:
            target[last] = value


def change(rng: Random, body: Body, day: date) -> list[Op]:
    """Something that happens to this unit on `day`."""
    menu = _OF_SUB_UNITS if body["respons_klasse"] == "Underenhet" else _OF_UNITS
    happening = rng.choices([entry for _, entry in menu], [weight for weight, _ in menu])[0]
    return happening(rng, body, day) or _move(rng, body, day)


def recount(rng: Random, body: Body, day: date) -> list[Op]:
    """The monthly employee update: mostly new dates and nothing else, the noise of the real feed."""
    count = body.get("antallAnsatte") or rng.randint(1, 4)
    new = units.workforce(max(1, count + rng.choice((-2, -1, 0, 0, 0, 0, 0, 1, 2))), day)
    ops = [_put(body, name, value) for name, value in new.items() if body.get(name) != value]
    if "antallAnsatte" in body and "antallAnsatte" not in new:
        ops.append({"op": "remove", "path": "/antallAnsatte"})
    return ops


def _put(body: Body, name: str, value: object) -> Op:
    return {"op": "replace" if name in body else "add", "path": f"/{name}", "value": value}


def _move(rng: Random, body: Body, day: date) -> list[Op]:
    name = "beliggenhetsadresse" if body["respons_klasse"] == "Underenhet" else "forretningsadresse"
    old, new = body.get(name), units.address(rng)
    if not old or "postnummer" not in old:
        return [_put(body, name, new)]
    ops: list[Op] = [{"op": "replace", "path": f"/{name}/adresse/0", "value": new["adresse"][0]}]
    return ops + [
        {"op": "replace", "path": f"/{name}/{part}", "value": new[part]}
        for part in ("postnummer", "poststed", "kommune", "kommunenummer")
        if old[part] != new[part]
    ]


def _rename(rng: Random, body: Body, day: date) -> list[Op]:
    past = body.get("historiskeNavn")
    since = past[-1]["tilDato"] if past else f"{body['registreringsdatoEnhetsregisteret']} 08:00:00"
    was = {"navn": body["navn"], "fraDato": since, "tilDato": f"{day - timedelta(days=1)} 15:{rng.randint(10, 59)}:07"}
    kind = body["organisasjonsform"]["kode"]
    name = words.company(rng, kind if kind not in SUB_UNIT_FORMS else "AS")
    return [
        {"op": "replace", "path": "/navn", "value": name},
        {"op": "add", "path": "/historiskeNavn/-", "value": was} if past else _put(body, "historiskeNavn", [was]),
    ]


def _contact(rng: Random, body: Body, day: date) -> list[Op]:
    name, value = rng.choice(
        (
            ("epostadresse", f"kontakt{rng.randint(1, 99)}@{words.domain(body['navn'])}"),
            ("mobil", words.telephone(rng, mobile=True)),
            ("telefon", words.telephone(rng)),
            ("hjemmeside", f"www.{words.domain(body['navn'])}"),
        )
    )
    if name in body and rng.random() < 0.3:
        return [{"op": "remove", "path": f"/{name}"}]
    return [_put(body, name, value)]


def _industry(rng: Random, body: Body, day: date) -> list[Op]:
    return [_put(body, "naeringskode1", units.industry(rng))]


def _articles(rng: Random, body: Body, day: date) -> list[Op]:
    if "vedtektsdato" not in body:
        return [{"op": "replace", "path": "/aktivitet", "value": units.purpose(rng)}]
    stated = (day - timedelta(days=rng.randint(5, 40))).isoformat()
    return [
        {"op": "replace", "path": "/vedtektsdato", "value": stated},
        _put(body, "vedtektsfestetFormaal", units.purpose(rng)),
    ]


def _capital(rng: Random, body: Body, day: date) -> list[Op]:
    if "antallAksjer" not in body.get("kapital", {}):
        return []
    factor = rng.choice((1.1, 1.25, 2))
    return [
        {"op": "replace", "path": "/kapital/belop", "value": round(body["kapital"]["belop"] * factor, 2)},
        {"op": "replace", "path": "/kapital/antallAksjer", "value": int(body["kapital"]["antallAksjer"] * factor)},
        {"op": "replace", "path": "/kapital/innfortDato", "value": day.isoformat()},
    ]


def _accounts(rng: Random, body: Body, day: date) -> list[Op]:
    year = str(day.year - 1)
    if "kapital" not in body or body.get("sisteInnsendteAarsregnskap") == year:
        return []
    return [_put(body, "sisteInnsendteAarsregnskap", year)]


def _vat(rng: Random, body: Body, day: date) -> list[Op]:
    if body["registrertIMvaregisteret"]:
        return []
    return [
        {"op": "replace", "path": "/registrertIMvaregisteret", "value": True},
        _put(body, "registreringsdatoMerverdiavgiftsregisteret", (day - timedelta(days=9)).isoformat()),
        _put(body, "registreringsdatoMerverdiavgiftsregisteretEnhetsregisteret", day.isoformat()),
    ]


def _remark(rng: Random, body: Body, day: date) -> list[Op]:
    if body["paategninger"]:
        return [{"op": "remove", "path": "/paategninger/0"}]
    text = {"infotype": "NAVN", "tekst": "Navnet er under behandling.", "innfoertDato": day.isoformat()}
    return [{"op": "add", "path": "/paategninger/-", "value": text}]


def _trouble(flag: str, dates: tuple[str, ...]) -> Callable[[Random, Body, date], list[Op]]:
    def happen(rng: Random, body: Body, day: date) -> list[Op]:
        if body[flag] or body["organisasjonsform"]["kode"] not in {"AS", "ASA", "NUF", "ENK", "DA", "ANS", "SA"}:
            return []
        begun = (day - timedelta(days=rng.randint(1, 3))).isoformat()
        return [{"op": "replace", "path": f"/{flag}", "value": True}, _put(body, rng.choice(dates), begun)]

    return happen


def _takeover(rng: Random, body: Body, day: date) -> list[Op]:
    return [_put(body, "datoEierskifte", (day - timedelta(days=rng.randint(1, 20))).isoformat())]


def _closing(rng: Random, body: Body, day: date) -> list[Op]:
    return [] if "nedleggelsesdato" in body else [_put(body, "nedleggelsesdato", day.isoformat())]


_Happening = Callable[[Random, Body, date], list[Op]]
_FORCED: Final = (
    "tvangsopplostPgaManglendeRegnskapDato",
    "tvangsopplostPgaMangelfulltStyreDato",
    "tvangsopplostPgaManglendeRevisorDato",
    "tvangsopplostPgaManglendeDagligLederDato",
    "tvangsavvikletPgaManglendeSlettingDato",
)
_OF_UNITS: Final[tuple[tuple[int, _Happening], ...]] = (
    (30, _move),
    (12, _contact),
    (10, _articles),
    (8, _rename),
    (8, _accounts),
    (6, _industry),
    (6, _vat),
    (5, _capital),
    (5, _trouble("konkurs", ("konkursdato",))),
    (4, _trouble("underAvvikling", ("underAvviklingDato",))),
    (3, _trouble("underTvangsavviklingEllerTvangsopplosning", _FORCED)),
    (3, _remark),
)
_OF_SUB_UNITS: Final[tuple[tuple[int, _Happening], ...]] = (
    (40, _move),
    (15, _contact),
    (15, _rename),
    (15, _industry),
    (5, _takeover),
    (5, _closing),
)
