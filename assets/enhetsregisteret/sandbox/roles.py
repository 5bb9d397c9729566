"""Who holds which role in a synthetic unit, and how that changes. All persons are invented."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import Any, Final

from assets.enhetsregisteret.sandbox import words
from assets.enhetsregisteret.sandbox.codes import GROUPS, ROLES, link
from assets.enhetsregisteret.sandbox.units import Body

_GROUP_TYPES: Final = {
    code: {"kode": code, "beskrivelse": text, "_links": link(f"/roller/rollegruppetyper/{code}")} for code, text in GROUPS.items()
}
_ROLE_TYPES: Final = {
    code: {"kode": code, "beskrivelse": text, "_links": link(f"/roller/rolletyper/{code}")} for code, text in ROLES.items()
}
_BY_EMPLOYEES: Final = {
    "kode": "AREP",
    "beskrivelse": "Representant for de ansatte",
    "_links": link("/roller/representanter/AREP"),
}


def roles(rng: Random, unit: Body, firms: list[Body], day: date) -> Body | None:
    """The body of `/enheter/{number}/roller`, or None for a unit without roles. `firms` are those that audit and keep
    accounts for others."""
    number, kind = unit["organisasjonsnummer"], unit["organisasjonsform"]["kode"]
    changed = (day - timedelta(days=rng.randint(1, 3000))).isoformat()
    groups: list[Body] = []

    def group(code: str, *held: Body) -> None:
        for order, role in enumerate(held):
            role["rekkefolge"] = order
        groups.append({"type": _GROUP_TYPES[code], "sistEndret": changed, "roller": list(held)})

    if kind in {"AS", "ASA", "SA", "NUF", "STI"} and rng.random() < 0.7:
        group("DAGL", _held_by_person(rng, "DAGL"))
    if kind in {"AS", "ASA", "SA", "FLI", "BRL", "ESEK", "STI"}:
        group("STYR", *_board(rng, large=kind == "ASA" or rng.random() < 0.15))
    if kind == "ENK":
        group("INNH", _held_by_person(rng, "INNH"))
    if kind in {"ANS", "DA"}:
        role = "DTSO" if kind == "ANS" else "DTPR"
        shares = [{"ansvarsandel": "50%"}, {"ansvarsandel": "1/2"}] if kind == "DA" else [{}, {}]
        other = _held_by_unit(role, rng.choice(firms)) if firms else _held_by_person(rng, role)
        group("DELT", _held_by_person(rng, role) | shares[0], other | shares[1])
    if kind == "NUF":
        group("REPR", _held_by_person(rng, "REPR"))
    if kind == "KBO":
        group("BOBE", _held_by_person(rng, "BOBE"))
    if kind in {"KOMM", "ORGL", "UTLA", "UTBG"}:
        group("KONT", _held_by_person(rng, "KONT"))
    if firms and (kind == "ASA" or (kind in {"AS", "STI"} and "fravalgRevisjonDato" not in unit)):
        group("REVI", _held_by_unit("REVI", rng.choice(firms)))
    if firms and kind in {"AS", "ENK", "NUF"} and rng.random() < 0.3:
        group("REGN", _held_by_unit("REGN", rng.choice(firms)))
    if firms and kind in {"BRL", "ESEK"}:
        group("FFØR", _held_by_unit("FFØR", rng.choice(firms)))
    if kind == "ASA":
        group("SIGN", _held_by_person(rng, "SIGN"))
        group("PROK", _held_by_person(rng, "PROK"))
    if not groups:
        return None
    links = link(f"/enheter/{number}/roller") | {"enhet": link(f"/enheter/{number}")["self"]}
    return {"rollegrupper": groups, "_links": links}


def reshuffle(rng: Random, body: Body, day: date) -> None:
    """One change of roles on `day`: a newcomer, someone leaving, or a death."""
    group = rng.choice(body["rollegrupper"])
    group["sistEndret"] = day.isoformat()
    persons = [role for role in group["roller"] if "person" in role]
    if not persons:
        group["roller"][0]["fratraadt"] = not group["roller"][0]["fratraadt"]
        return
    role = rng.choice(persons)
    happening = rng.random()
    if happening < 0.5:
        role["person"] = _person(rng)
    elif happening < 0.7:
        role["fratraadt"] = True
    elif happening < 0.8:
        role["avregistrert"] = True
    elif happening < 0.85:
        role["person"]["erDoed"] = True
    else:
        group["roller"].append(
            _held_by_person(rng, role["type"]["kode"]) | {"rekkefolge": len(group["roller"])},
        )


def _board(rng: Random, *, large: bool) -> list[Body]:
    chair = _held_by_person(rng, "LEDE")
    if not large:
        return [chair, *(_held_by_person(rng, rng.choice(("MEDL", "MEDL", "VARA"))) for _ in range(rng.randint(0, 2)))]
    elected = _held_by_person(rng, "MEDL") | {"valgtAv": _BY_EMPLOYEES}
    return [chair, *(_held_by_person(rng, role) for role in ("NEST", "MEDL", "MEDL", "VARA", "OBS")), elected]


def _held_by_person(rng: Random, role: str) -> Body:
    held: Body = {
        "type": _ROLE_TYPES[role],
        "person": _person(rng),
        "fratraadt": rng.random() < 0.02,
        "avregistrert": rng.random() < 0.02,
    }
    # Added to the API in 2024; that they stand on the role is taken from a client's column names.
    if rng.random() < 0.002:
        held["begrensetRettsligHandleevne"] = True
    if rng.random() < 0.002:
        held["stadfestetFremtidsfullmakt"] = True
    return held


def _held_by_unit(role: str, unit: Body) -> Body:
    number = unit["organisasjonsnummer"]
    holder: dict[str, Any] = {
        "organisasjonsnummer": number,
        "organisasjonsform": unit["organisasjonsform"],
        "navn": [unit["navn"]],
        "erSlettet": "slettedato" in unit,
        "_links": link(f"/enheter/{number}"),
    }
    return {"type": _ROLE_TYPES[role], "enhet": holder, "fratraadt": False, "avregistrert": False}


def _person(rng: Random) -> Body:
    given, family = words.person(rng)
    name = {"fornavn": given, "mellomnavn": words.given(rng), "etternavn": family}
    if rng.random() < 0.75:
        del name["mellomnavn"]
    born = date(1935, 1, 1) + timedelta(days=rng.randint(0, 25_500))
    return {"fodselsdato": born.isoformat(), "navn": name, "erDoed": rng.random() < 0.01}
