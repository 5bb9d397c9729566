"""The synthetic register: as rich as the real one, the same every time, and movable through time."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from assets.enhetsregisteret.sandbox import Sandbox, World, built_at
from assets.enhetsregisteret.sandbox.changes import apply
from dataproducts.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
REAL = ROOT / "tests" / "data" / "enhetsregisteret"
EPOCH = date(2026, 11, 1)
TODAY = date(2026, 11, 22)

ADDRESS = {"adresse", "postnummer", "poststed", "kommune", "kommunenummer", "land", "landkode"}
CODED = {"kode", "beskrivelse"}
PAST_NAME = {"navn", "fraDato", "tilDato"}


def under(name: str, fields: set[str]) -> set[str]:
    return {f"{name}.{field}" for field in fields}


ENHET = {
    "organisasjonsnummer", "navn", "organisasjonsform.kode", "organisasjonsform.beskrivelse",
    "organisasjonsform.utgaatt", "respons_klasse", "registreringsdatoEnhetsregisteret", "registrertIMvaregisteret",
    "registrertIForetaksregisteret", "registrertIStiftelsesregisteret", "registrertIFrivillighetsregisteret",
    "registrertIPartiregisteret", "konkurs", "underAvvikling", "underTvangsavviklingEllerTvangsopplosning",
    "erIKonsern", "harRegistrertAntallAnsatte", "maalform", "aktivitet", "registreringsdatoForetaksregisteret",
    "stiftelsesdato", "vedtektsdato", "vedtektsfestetFormaal", "kapital.belop", "kapital.antallAksjer", "kapital.type",
    "kapital.valuta", "kapital.innfortDato", "kapital.innbetalt", "kapital.fulltInnbetalt", "kapital.bundet",
    "sisteInnsendteAarsregnskap", "fravalgRevisjonDato", "fravalgRevisjonBeslutningsDato",
    "registreringsdatoMerverdiavgiftsregisteret", "registreringsdatoMerverdiavgiftsregisteretEnhetsregisteret",
    "epostadresse", "mobil", "registreringsdatoAntallAnsatteEnhetsregisteret",
    "registreringsdatoAntallAnsatteNAVAaregisteret", "hjemmeside", "telefon", "underAvviklingDato", "antallAnsatte",
    "konkursdato", "registreringsdatoFrivillighetsregisteret", "frivilligMvaRegistrertBeskrivelser",
    "registreringsdatoFrivilligMerverdiavgiftsregisteret", "overordnetEnhet", "registreringsdatoPartiregisteret",
    "underRekonstruksjonsforhandlingDato", "underUtenlandskInsolvensbehandlingDato",
    "tvangsopplostPgaManglendeRegnskapDato", "tvangsopplostPgaMangelfulltStyreDato",
    "tvangsopplostPgaManglendeRevisorDato", "tvangsopplostPgaManglendeDagligLederDato",
    "tvangsavvikletPgaManglendeSlettingDato", "registreringsnummerIHjemlandet", "underlagtLovgivningLand",
    "underlagtLovgivningLandKode", "utenlandskRegisterNavn",
}  # fmt: skip
ENHET |= under("forretningsadresse", ADDRESS) | under("postadresse", ADDRESS) | under("historiskeNavn", PAST_NAME)
ENHET |= under("naeringskode1", CODED) | under("naeringskode2", CODED) | under("naeringskode3", CODED)
ENHET |= under("institusjonellSektorkode", CODED) | under("hjelpeenhetskode", CODED)
ENHET |= under("paategninger", {"infotype", "tekst", "innfoertDato"})
ENHET |= under("foretaksformIHjemlandet", CODED | {"beskrivelseBokmaal"})
ENHET |= under("utenlandskRegisterAdresse", {"adresse", "poststed", "land"})

UNDERENHET = {
    "organisasjonsnummer", "navn", "organisasjonsform.kode", "organisasjonsform.beskrivelse", "overordnetEnhet",
    "registreringsdatoEnhetsregisteret", "registrertIMvaregisteret", "harRegistrertAntallAnsatte", "respons_klasse",
    "oppstartsdato", "epostadresse", "mobil", "registreringsdatoAntallAnsatteEnhetsregisteret",
    "registreringsdatoAntallAnsatteNAVAaregisteret", "hjemmeside", "telefon", "antallAnsatte", "datoEierskifte",
    "nedleggelsesdato",
}  # fmt: skip
UNDERENHET |= under("beliggenhetsadresse", ADDRESS) | under("postadresse", ADDRESS)
UNDERENHET |= under("historiskeNavn", PAST_NAME) | under("hjelpeenhetskode", CODED)
UNDERENHET |= under("naeringskode1", CODED) | under("naeringskode2", CODED) | under("naeringskode3", CODED)


def fields(body: Any, prefix: str = "") -> Iterator[tuple[str, type]]:
    """Dotted names of all that is in a record, and the type; the elements of a list share the list's name."""
    if isinstance(body, dict):
        for name, value in body.items():
            if name != "_links":
                yield from fields(value, f"{prefix}.{name}" if prefix else name)
    elif isinstance(body, list) and any(isinstance(element, dict) for element in body):
        for element in body:
            yield from fields(element, prefix)
    elif body != []:
        yield prefix, type(body)


def names(bodies: Any) -> set[str]:
    return {name for body in bodies for name, _ in fields(body)}


def valid(number: str) -> bool:
    total = sum(int(digit) * weight for digit, weight in zip(number[:8], (3, 2, 7, 6, 5, 4, 3, 2), strict=True))
    check = (11 - total % 11) % 11
    return len(number) == 9 and check == int(number[8])


@pytest.fixture(scope="module")
def world() -> World:
    """The default world three weeks on. Not to be changed."""
    world = World()
    world.advance(TODAY)
    return world


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(World(units=120)) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.heal()
    running.travel(TODAY)
    return running


def fetch(sandbox: Sandbox, path: str, **params: Any) -> httpx.Response:
    return httpx.get(sandbox.url + path, params=params)


def bulk(sandbox: Sandbox, kind: str = "enheter") -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(gzip.decompress(fetch(sandbox, f"/{kind}/lastned").content))
    return listed


# The same every time

_DIGEST = """
import hashlib, json
from datetime import date
from assets.enhetsregisteret.sandbox import World
world = World(seed={seed}, units=300)
for day in {days}:
    world.advance(date(2026, 11, day))
content = [list(world.bulk(kind)) for kind in ("enheter", "underenheter", "roller")]
print(hashlib.sha256(json.dumps([content, world.events, world.deleted, world.removed]).encode()).hexdigest())
"""


def digest(days: list[int], *, seed: int = 1, hash_seed: str = "0") -> str:
    """Of everything a world holds, computed in a process of its own."""
    code = _DIGEST.format(seed=seed, days=days)
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_two_worlds_of_one_seed_are_the_same_to_the_last_letter_in_any_process_and_however_they_got_there() -> None:
    step_by_step = digest(list(range(1, 23)), hash_seed="1")
    assert digest([22], hash_seed="2") == step_by_step
    assert digest([22], seed=2) != step_by_step


def test_two_registers_serve_the_same_bytes_on_different_ports() -> None:
    served = []
    for _ in range(2):
        with Sandbox(World(units=60)) as sandbox:
            sandbox.travel(EPOCH + timedelta(days=3))
            served.append([fetch(sandbox, path).content for path in ("/enheter/lastned", "/roller/totalbestand")])
    assert served[0] == served[1]


def test_going_back_in_time_shows_the_past_as_it_was(sandbox: Sandbox) -> None:
    sandbox.travel(EPOCH)
    first = fetch(sandbox, "/enheter/lastned")
    events = fetch(sandbox, "/oppdateringer/enheter", size=10_000).json()["page"]["totalElements"]
    sandbox.travel(TODAY)
    assert fetch(sandbox, "/enheter/lastned").content != first.content
    assert fetch(sandbox, "/oppdateringer/enheter", size=10_000).json()["page"]["totalElements"] > events
    sandbox.travel(EPOCH)
    again = fetch(sandbox, "/enheter/lastned")
    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
    assert fetch(sandbox, "/oppdateringer/enheter", size=10_000).json()["page"]["totalElements"] == events


# As rich as the real one


def test_every_field_of_an_enhet_occurs_and_no_other(world: World) -> None:
    assert names(world.live["enheter"].values()) == ENHET


def test_every_field_of_an_underenhet_occurs_and_no_other(world: World) -> None:
    assert names(world.live["underenheter"].values()) == UNDERENHET


def test_the_smallest_world_has_every_field_too_and_keeps_them_over_the_years() -> None:
    small = World(units=60)
    for _ in range(2):
        assert names(small.live["enheter"].values()) == ENHET
        assert names(small.live["underenheter"].values()) == UNDERENHET
        small.advance(date(2028, 11, 1))


def test_the_default_world_is_of_the_size_it_promises_and_stays_so(world: World) -> None:
    assert len(World().live["enheter"]) == 3000
    assert len(World().live["underenheter"]) == 2400
    old = World(units=300)
    old.advance(date(2028, 11, 1))
    assert 240 < len(old.live["enheter"]) < 420
    assert 180 < len(old.live["underenheter"]) < 400


def test_deleted_units_keep_a_reduced_body_and_are_in_no_bulk_file(world: World) -> None:
    deleted = world.deleted["enheter"]
    assert names(deleted.values()) <= {
        "organisasjonsnummer", "navn", "organisasjonsform.kode", "organisasjonsform.beskrivelse",
        "organisasjonsform.utgaatt", "slettedato", "respons_klasse", *under("historiskeNavn", PAST_NAME),
    }  # fmt: skip
    assert {body.get("respons_klasse") for body in deleted.values()} == {"SlettetEnhet", None}
    assert any("historiskeNavn" in body for body in deleted.values())
    subs = world.deleted["underenheter"].values()
    assert {body.get("respons_klasse") for body in subs} == {"SlettetUnderEnhet", None}
    assert all("nedleggelsesdato" in body for body in subs)
    for kind in ("enheter", "underenheter"):
        assert not set(world.live[kind]) & (set(world.deleted[kind]) | set(world.removed[kind]))


def test_the_shape_is_that_of_the_real_records(world: World) -> None:
    real = json.loads((REAL / "enheter-search.json").read_text(encoding="utf-8"))["_embedded"]["enheter"]
    real.append(json.loads((REAL / "enhet.json").read_text(encoding="utf-8")))
    synthetic = {pair for body in world.live["enheter"].values() for pair in fields(body)}
    assert {pair for body in real for pair in fields(body)} <= synthetic
    links = next(iter(world.live["enheter"].values()))["_links"]
    assert links.keys() == real[0]["_links"].keys()
    body = next(iter(world.live["enheter"].values()))["organisasjonsform"]
    assert list(body) == list(real[0]["organisasjonsform"])


def test_every_quirk_of_the_real_register_occurs(world: World) -> None:
    enheter, subs = list(world.live["enheter"].values()), list(world.live["underenheter"].values())
    addresses = [body[name] for body in enheter for name in ("forretningsadresse", "postadresse") if name in body]
    lines = [line for address in addresses for line in address["adresse"]]
    assert None in lines
    assert "" in lines
    assert any(body.get("konkursdato") == "" for body in enheter)
    assert any(body.get("vedtektsfestetFormaal") == [""] for body in enheter)
    assert any(len(body["aktivitet"]) > 1 for body in enheter)
    assert any("postnummer" not in address and address["landkode"] != "NO" for address in addresses)
    assert max(body.get("kapital", {}).get("antallAksjer", 0) for body in enheter) > 2**31
    assert any(body["harRegistrertAntallAnsatte"] and "antallAnsatte" not in body for body in enheter)
    assert all(body.get("antallAnsatte", 5) > 4 for body in enheter + subs)
    assert any("overordnetEnhet" not in body for body in subs)
    assert any("forretningsadresse" not in body for body in enheter)
    assert any(body["paategninger"] for body in enheter)
    assert any(body["paategninger"] == [] for body in enheter)
    past = [name for body in enheter for name in body.get("historiskeNavn", [])]
    assert all(datetime.strptime(name["tilDato"], "%Y-%m-%d %H:%M:%S") for name in past)
    assert isinstance(next(b["sisteInnsendteAarsregnskap"] for b in enheter if "sisteInnsendteAarsregnskap" in b), str)


def test_numbers_are_valid_and_below_every_number_of_the_real_register(world: World) -> None:
    everyone = [*world.live["enheter"], *world.live["underenheter"]]
    everyone += [number for state in (world.deleted, world.removed) for kind in state.values() for number in kind]
    assert len(set(everyone)) == len(everyone) > 5400
    assert all(valid(number) and "800000000" <= number < "810000000" for number in everyone)


def test_nothing_in_the_world_leads_out_of_it(world: World) -> None:
    text = json.dumps([list(world.bulk("enheter")), list(world.bulk("underenheter")), list(world.bulk("roller"))])
    assert "brreg" not in text
    assert ".no" not in text


def test_roles_are_held_by_persons_and_by_units_in_every_way_the_register_knows(world: World) -> None:
    groups = [group for body in world.roles.values() for group in body["rollegrupper"]]
    held = [role for group in groups for role in group["roller"]]
    assert {group["type"]["kode"] for group in groups} >= {
        "STYR", "DAGL", "REVI", "REGN", "INNH", "DELT", "FFØR", "KONT", "BOBE", "REPR", "SIGN", "PROK",
    }  # fmt: skip
    assert {role["type"]["kode"] for role in held} >= {"LEDE", "NEST", "MEDL", "VARA", "OBS", "DTPR", "DTSO", "INNH"}
    assert all(date.fromisoformat(group["sistEndret"]) <= TODAY for group in groups)
    assert all(("person" in role) != ("enhet" in role) for role in held)
    assert {role["ansvarsandel"] for role in held if "ansvarsandel" in role} == {"50%", "1/2"}
    assert any("valgtAv" in role for role in held)
    assert {role["fratraadt"] for role in held} == {role["avregistrert"] for role in held} == {True, False}
    persons = [role["person"] for role in held if "person" in role]
    assert names(persons) == {"fodselsdato", "navn.fornavn", "navn.mellomnavn", "navn.etternavn", "erDoed"}
    assert any("begrensetRettsligHandleevne" in role for role in held)
    assert any("stadfestetFremtidsfullmakt" in role for role in held)
    assert {person["erDoed"] for person in persons} == {True, False}
    firms = [role["enhet"] for role in held if "enhet" in role]
    assert names(firms) >= {"organisasjonsnummer", "navn", "organisasjonsform.kode", "erSlettet"}
    assert {firm["erSlettet"] for firm in firms} == {True, False}
    assert set(world.roles) <= set(world.live["enheter"])


# How it changes


def test_the_events_of_a_night_turn_one_bulk_file_into_the_next() -> None:
    world = World(units=400)
    for night in range(1, 22):  # over the twelfth, when employees are counted
        before = {kind: deepcopy(world.live[kind]) for kind in world.live}
        told = {kind: len(world.events[kind]) for kind in world.live}
        world.advance(EPOCH + timedelta(days=night))
        for kind, bodies in before.items():
            born = set()
            for event in world.events[kind][told[kind] :]:
                number = event["organisasjonsnummer"]
                if event["endringstype"] == "Ny":
                    assert number not in bodies
                    born.add(number)  # its events hold no body: that has to be fetched
                elif event["endringstype"] == "Endring" and number not in born:
                    apply(bodies[number], event["endringer"])
                elif event["endringstype"] in {"Sletting", "Fjernet"}:
                    bodies.pop(number, None)
                    born.discard(number)
            assert bodies == {number: body for number, body in world.live[kind].items() if number not in born}
            assert born <= world.live[kind].keys()


def test_an_event_once_told_is_never_told_otherwise() -> None:
    world = World(units=500)
    world.advance(date(2027, 2, 1))
    told = json.dumps(world.events)
    count = {kind: len(events) for kind, events in world.events.items()}
    world.advance(date(2027, 11, 1))
    assert json.dumps({kind: events[: count[kind]] for kind, events in world.events.items()}) == told


def test_events_are_numbered_and_dated_in_order_and_lie_between_two_builds(world: World) -> None:
    merged = sorted(
        (event for kind in ("enheter", "underenheter") for event in world.events[kind]),
        key=lambda event: event["oppdateringsid"],
    )
    ids = [event["oppdateringsid"] for event in merged]
    assert len(set(ids)) == len(ids)
    assert ids[-1] - ids[0] > len(ids), "real ids have holes"
    assert [event["dato"] for event in merged] == sorted(event["dato"] for event in merged)
    for event in merged[30:]:
        moment = datetime.fromisoformat(event["dato"])
        assert built_at(moment.date()) - timedelta(hours=2) <= moment < built_at(moment.date())


def test_a_fortnight_shows_every_type_of_event_and_about_one_percent_of_the_units(world: World) -> None:
    since = "2026-11-08"
    for kind in ("enheter", "underenheter"):
        events = [event for event in world.events[kind] if event["dato"] >= since]
        assert {event["endringstype"] for event in events} == {"Ny", "Endring", "Sletting", "Fjernet"}
        assert all(("endringer" in event) == (event["endringstype"] == "Endring") for event in events)
        ordinary = [event for event in events if not event["dato"].startswith("2026-11-12")]
        assert 0.005 < len(ordinary) / 14 / len(world.live[kind]) < 0.02
        counted = [event for event in events if event["dato"].startswith("2026-11-12")]
        assert len(counted) > 3 * len(ordinary) / 14, "the monthly employee update is most of the noise"
    assert sum(event["endringstype"] == "Ukjent" for event in world.events["enheter"]) == 30


def test_a_unit_removed_for_legal_reasons_is_gone_everywhere(world: World) -> None:
    for kind in ("enheter", "underenheter"):
        fresh = [e["organisasjonsnummer"] for e in world.events[kind] if e["endringstype"] == "Fjernet"]
        assert fresh
        for number in fresh:
            assert number not in world.live[kind]
            assert number not in world.deleted[kind]
            assert number not in world.roles
            assert set(world.removed[kind][number]) == {"organisasjonsnummer", "slettedato", "_links"}


def test_a_deleted_unit_may_return_after_a_gap(world: World) -> None:
    types: dict[str, list[str]] = {}
    for event in world.events["enheter"]:
        types.setdefault(event["organisasjonsnummer"], []).append(event["endringstype"])
    returned = [number for number, told in types.items() if "Sletting" in told[:-1] and told[-1] == "Ny"]
    assert returned
    assert all(number in world.live["enheter"] and number not in world.deleted["enheter"] for number in returned)


# Over HTTP


def test_a_build_is_dated_five_in_the_morning_in_oslo_in_winter_and_summer(sandbox: Sandbox) -> None:
    assert built_at(date(2027, 1, 15)) == datetime(2027, 1, 15, 4, tzinfo=UTC)
    assert built_at(date(2027, 7, 15)) == datetime(2027, 7, 15, 3, tzinfo=UTC)
    response = httpx.head(f"{sandbox.url}/enheter/lastned")
    assert response.headers["Last-Modified"] == "Sun, 22 Nov 2026 04:00:00 GMT"
    assert int(response.headers["Content-Length"]) > 1000
    assert response.content == b""


def test_without_travel_the_clock_decides_and_before_five_it_is_still_yesterday() -> None:
    now = datetime(2026, 11, 20, 3, 59, tzinfo=UTC)
    sandbox = Sandbox(World(units=60), clock=lambda: now)
    assert sandbox.day == date(2026, 11, 19)
    now = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
    assert sandbox.day == date(2026, 11, 20)
    sandbox.travel(date(2026, 12, 24))
    assert sandbox.day == date(2026, 12, 24)
    sandbox.travel(None)
    assert sandbox.day == date(2026, 11, 20)
    now = datetime(2025, 1, 1, tzinfo=UTC)
    assert sandbox.day == EPOCH
    sandbox.stop()


def test_a_build_that_was_served_before_five_is_not_taken_back() -> None:
    now = datetime(2026, 11, 20, 1, 15, tzinfo=UTC)
    sandbox = Sandbox(World(units=60), clock=lambda: now)
    sandbox.travel(date(2026, 11, 18))
    sandbox.travel(None)
    assert sandbox.day == date(2026, 11, 19)
    sandbox.travel(date(2026, 11, 20))
    sandbox.travel(None)
    assert sandbox.day == date(2026, 11, 20)
    now = datetime(2026, 11, 21, 1, 15, tzinfo=UTC)
    assert sandbox.day == date(2026, 11, 20)
    sandbox.stop()


def test_another_process_can_move_the_clock(sandbox: Sandbox) -> None:
    clock = sandbox.url.removesuffix("/enhetsregisteret/api") + "/sandbox/clock"
    assert httpx.post(clock, json={"day": "2026-11-13"}).json() == {"day": "2026-11-13"}
    assert httpx.get(clock).json() == {"day": "2026-11-13"}
    assert httpx.head(f"{sandbox.url}/roller/totalbestand").headers["Last-Modified"].startswith("Fri, 13 Nov 2026")
    wrongs: list[Any] = [{"day": "i går"}, {"dag": "2026-11-13"}, {"day": 5}, [], {"day": "2026-10-31"}]
    for wrong in wrongs:
        refused = httpx.post(clock, json=wrong)
        assert refused.status_code == 400
        assert refused.json()["error"]
    assert sandbox.day == date(2026, 11, 13)


def test_a_day_before_the_world_began_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match=r"2026-11-01.*2026-10-31"):
        sandbox.travel(date(2026, 10, 31))


def test_units_are_found_where_they_are_and_in_the_state_they_are(sandbox: Sandbox) -> None:
    world = sandbox.world
    number, body = next(iter(world.live["enheter"].items()))
    assert fetch(sandbox, f"/enheter/{number}").json() == body
    gone = next(iter(world.deleted["underenheter"]))
    assert fetch(sandbox, f"/underenheter/{gone}").json()["slettedato"]
    erased = next(iter(world.removed["enheter"]))
    assert fetch(sandbox, f"/enheter/{erased}").status_code == 410
    for path in (f"/underenheter/{number}", "/enheter/800000000", "/enheter/800000000/roller"):
        unknown = fetch(sandbox, path)
        assert (unknown.status_code, unknown.content) == (404, b"")


def test_a_search_without_hits_has_no_embedded_and_only_a_link_to_itself(sandbox: Sandbox) -> None:
    body = fetch(sandbox, "/enheter", navn="jibberish").json()
    assert "_embedded" not in body
    assert set(body["_links"]) == {"self"}
    assert body["page"] == {"size": 20, "totalElements": 0, "totalPages": 0, "number": 0}


def test_a_search_is_paged_as_the_real_one(sandbox: Sandbox) -> None:
    first = fetch(sandbox, "/enheter", organisasjonsform="AS", size=5).json()
    assert set(first["_links"]) == {"first", "self", "next", "last"}
    second = httpx.get(first["_links"]["next"]["href"]).json()
    assert second["page"]["number"] == 1
    assert set(second["_links"]) >= {"prev"}
    assert not {u["navn"] for u in first["_embedded"]["enheter"]} & {u["navn"] for u in second["_embedded"]["enheter"]}
    last = httpx.get(first["_links"]["last"]["href"]).json()
    assert "next" not in last["_links"]


@pytest.mark.parametrize(
    ("name", "value", "holds"),
    [
        ("organisasjonsform", "ENK,FLI", lambda body: body["organisasjonsform"]["kode"] in {"ENK", "FLI"}),
        ("kommunenummer", "0301", lambda body: body["forretningsadresse"]["kommunenummer"] == "0301"),
        ("naeringskode", "47", lambda body: any(body[f"naeringskode{n}"]["kode"][:2] == "47" for n in (1, 2, 3))),
        ("konkurs", "true", lambda body: body["konkurs"] is True),
        ("navn", "sandkasse", lambda body: False),
    ],
)
def test_search_filters_do_what_they_say(name: str, value: str, holds: Any, sandbox: Sandbox) -> None:
    def fits(body: dict[str, Any]) -> bool:
        try:
            return bool(holds(body))
        except KeyError:
            return name == "naeringskode" and body.get("naeringskode1", {}).get("kode", "").startswith(value)

    hits = fetch(sandbox, "/enheter", size=1000, **{name: value}).json().get("_embedded", {}).get("enheter", [])
    assert [hit["organisasjonsnummer"] for hit in hits] == [body["organisasjonsnummer"] for body in bulk(sandbox) if fits(body)]
    assert hits or name == "navn"


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/oppdateringer/enheter", {"dato": "2026-11-20"}),
        ("/oppdateringer/underenheter", {"dato": "2026-11-20T00:00:00Z"}),
        ("/oppdateringer/enheter", {"oppdateringsid": "0"}),
        ("/oppdateringer/enheter", {"size": "10001"}),
        ("/enheter", {"size": "20", "page": "500"}),
        ("/enheter", {"favorittfarge": "blå"}),
    ],
)
def test_a_wrong_question_is_answered_with_400_and_why(path: str, params: dict[str, str], sandbox: Sandbox) -> None:
    response = fetch(sandbox, path, **params)
    assert response.status_code == 400
    assert response.json()["validationErrors"][0]["errorMessage"]


def test_patches_come_only_when_asked_for_and_the_smallest_id_is_inclusive(sandbox: Sandbox) -> None:
    plain = fetch(sandbox, "/oppdateringer/enheter", size=10_000).json()["_embedded"]["oppdaterteEnheter"]
    assert not any("endringer" in event for event in plain)
    wanted = plain[40]["oppdateringsid"]
    page = fetch(sandbox, "/oppdateringer/enheter", oppdateringsid=wanted, includeChanges="true").json()
    events = page["_embedded"]["oppdaterteEnheter"]
    assert events[0]["oppdateringsid"] == wanted
    assert len(events) == 20
    assert any("endringer" in event for event in events)
    assert "enhet" in events[0]["_links"]


def test_role_events_are_cloud_events_after_an_id_or_a_time(sandbox: Sandbox) -> None:
    events = fetch(sandbox, "/oppdateringer/roller", size=10_000).json()
    assert set(events[0]) == {"specversion", "id", "source", "type", "time", "data"}
    assert fetch(sandbox, "/oppdateringer/roller", afterId=events[2]["id"], size=2).json() == events[3:5]
    assert fetch(sandbox, "/oppdateringer/roller", afterTime=events[4]["time"]).json()[0] == events[4]


def test_a_fault_strikes_as_often_as_asked_and_then_no_more(sandbox: Sandbox) -> None:
    sandbox.inject("busy", "/organisasjonsformer", times=2, retry_after="3")
    answers = [fetch(sandbox, "/organisasjonsformer") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [429, 429, 200]
    assert answers[0].headers["Retry-After"] == "3"
    assert fetch(sandbox, "/enheter/lastned").status_code == 200, "another path is not touched"
    good = fetch(sandbox, "/enheter/lastned")
    sandbox.inject("drift", "/enheter/lastned")
    assert httpx.head(f"{sandbox.url}/enheter/lastned").headers["ETag"] == good.headers["ETag"]
    spoiled = fetch(sandbox, "/enheter/lastned")
    assert spoiled.headers["ETag"] != good.headers["ETag"]
    assert fetch(sandbox, "/enheter/lastned").content == good.content


def test_a_port_that_is_taken_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigurationError, match=str(sandbox.port)):
        Sandbox(World(units=60), port=sandbox.port)


def test_the_port_can_be_chosen_and_is_given_back() -> None:
    small = World(units=60)
    with Sandbox(small) as first:
        port = first.port
    with Sandbox(small, port=port) as second:
        assert second.url == f"http://127.0.0.1:{port}/enhetsregisteret/api"
        assert fetch(second, "/organisasjonsformer").status_code == 200
    with pytest.raises(httpx.ConnectError):
        fetch(second, "/organisasjonsformer")


def test_a_world_too_small_to_be_rich_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="50"):
        World(units=10)


def test_the_bulk_file_is_the_same_gzip_to_the_byte_each_time(sandbox: Sandbox) -> None:
    content = fetch(sandbox, "/underenheter/lastned").content
    assert content[4:8] == b"\0\0\0\0", "a time inside the gzip header would change the hash every night"
    assert hashlib.sha256(content).digest() == hashlib.sha256(fetch(sandbox, "/underenheter/lastned").content).digest()
