"""How a unit comes into the synthetic register: its number, its first body, and what is left when it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from assets.enhetsregisteret.sandbox import words
from assets.enhetsregisteret.sandbox.codes import (
    AUXILIARY,
    BASE,
    HOUSING,
    INDUSTRIES,
    PLACES,
    PUBLIC,
    SECTORS,
    code,
    form,
    link,
)

Body = dict[str, Any]

FORMS: Final[dict[str, int]] = {
    "AS": 430, "ENK": 300, "FLI": 95, "NUF": 35, "BRL": 25, "ESEK": 25, "KBO": 20, "DA": 15, "ANS": 15, "STI": 15,
    "SA": 10, "ASA": 6, "UTLA": 5, "KOMM": 2, "ORGL": 2,
}  # fmt: skip
"""Parts per thousand of the register, roughly as in the real one."""

_COMPANIES: Final = frozenset({"AS", "ASA", "SA", "DA", "ANS", "BRL", "NUF"})
_LIMITED: Final = frozenset({"AS", "ASA"})
_PURPOSES: Final = (
    ["Å drive med det som til enhver tid ligger i sandkassen, og alt som", "naturlig hører sammen med dette."],
    ["Produksjon og salg av oppdiktede varer, deltakelse i andre selskaper", "med samme formål, samt eiendom."],
    ["Konsulentvirksomhet."],
    ["Å samle medlemmene om lek, sang og spade, og ellers å fremme", "trivselen i nærmiljøet."],
)
_VOLUNTARY_VAT: Final = ("Utleier av bygg eller anlegg", "Tømmer og fangst av vilt")

ENHET_FIELDS: Final = (
    "organisasjonsnummer", "navn", "organisasjonsform", "hjemmeside", "postadresse",
    "registreringsdatoEnhetsregisteret", "registrertIMvaregisteret", "frivilligMvaRegistrertBeskrivelser",
    "naeringskode1", "naeringskode2", "naeringskode3", "hjelpeenhetskode", "antallAnsatte",
    "harRegistrertAntallAnsatte", "overordnetEnhet", "registreringsdatoFrivilligMerverdiavgiftsregisteret",
    "registreringsdatoMerverdiavgiftsregisteret", "registreringsdatoMerverdiavgiftsregisteretEnhetsregisteret",
    "registreringsdatoAntallAnsatteEnhetsregisteret", "registreringsdatoAntallAnsatteNAVAaregisteret", "epostadresse",
    "telefon", "mobil", "forretningsadresse", "stiftelsesdato", "institusjonellSektorkode",
    "registrertIForetaksregisteret", "registrertIStiftelsesregisteret", "registrertIFrivillighetsregisteret",
    "registreringsdatoFrivillighetsregisteret", "sisteInnsendteAarsregnskap", "konkurs", "konkursdato",
    "underAvvikling", "underAvviklingDato", "underTvangsavviklingEllerTvangsopplosning",
    "tvangsavvikletPgaManglendeSlettingDato", "tvangsopplostPgaManglendeDagligLederDato",
    "tvangsopplostPgaManglendeRevisorDato", "tvangsopplostPgaManglendeRegnskapDato",
    "tvangsopplostPgaMangelfulltStyreDato", "underRekonstruksjonsforhandlingDato",
    "underUtenlandskInsolvensbehandlingDato", "maalform", "vedtektsdato", "vedtektsfestetFormaal", "aktivitet",
    "registreringsdatoForetaksregisteret", "registrertIPartiregisteret", "registreringsdatoPartiregisteret",
    "paategninger", "fravalgRevisjonDato", "fravalgRevisjonBeslutningsDato", "erIKonsern", "kapital",
    "historiskeNavn", "registreringsnummerIHjemlandet", "foretaksformIHjemlandet", "underlagtLovgivningLand",
    "underlagtLovgivningLandKode", "utenlandskRegisterNavn", "utenlandskRegisterAdresse", "_links", "respons_klasse",
)  # fmt: skip
"""Every field of an enhet, in the order the real answers have them."""

UNDERENHET_FIELDS: Final = (
    "organisasjonsnummer", "navn", "organisasjonsform", "hjemmeside", "postadresse",
    "registreringsdatoEnhetsregisteret", "registrertIMvaregisteret", "naeringskode1", "naeringskode2",
    "naeringskode3", "hjelpeenhetskode", "antallAnsatte", "harRegistrertAntallAnsatte",
    "registreringsdatoAntallAnsatteEnhetsregisteret", "registreringsdatoAntallAnsatteNAVAaregisteret",
    "overordnetEnhet", "epostadresse", "telefon", "mobil", "oppstartsdato", "beliggenhetsadresse", "datoEierskifte",
    "nedleggelsesdato", "historiskeNavn", "_links", "respons_klasse",
)  # fmt: skip
"""Every field of an underenhet."""


def _foreign(place: str, country: str, code: str) -> Body:
    return {"land": country, "landkode": code, "poststed": place, "adresse": ["1 Sandpit Lane", place]}


def _showcase() -> tuple[tuple[str, Body], ...]:
    """Legal form and fields of the first enheter: whatever is rare, and every quirk, is here in a world of any size."""
    dissolved = {"underTvangsavviklingEllerTvangsopplosning": True}
    everything: Body = {
        "hjemmeside": "www.alt-mulig.example", "epostadresse": "post@alt-mulig.example", "telefon": "00 10 00 01",
        "mobil": "00 90 00 01", "registrertIMvaregisteret": True,
        "frivilligMvaRegistrertBeskrivelser": list(_VOLUNTARY_VAT),
        "registreringsdatoMerverdiavgiftsregisteret": "2009-07-01",
        "registreringsdatoMerverdiavgiftsregisteretEnhetsregisteret": "2009-08-12",
        "registreringsdatoFrivilligMerverdiavgiftsregisteret": "2014-10-13",
        "naeringskode1": code(INDUSTRIES[4]), "naeringskode2": code(INDUSTRIES[12]),
        "naeringskode3": code(INDUSTRIES[14]), "hjelpeenhetskode": code(AUXILIARY), "antallAnsatte": 112,
        "harRegistrertAntallAnsatte": True, "registreringsdatoAntallAnsatteEnhetsregisteret": "2026-10-12",
        "registreringsdatoAntallAnsatteNAVAaregisteret": "2026-10-10", "sisteInnsendteAarsregnskap": "2025",
        "fravalgRevisjonDato": "2012-05-03", "fravalgRevisjonBeslutningsDato": "2012-04-20",
        "kapital": {"belop": 1250000.5, "antallAksjer": 2500, "type": "Aksjekapital", "valuta": "NOK",
                    "innfortDato": "2019-06-14", "innbetalt": 1000000.0, "fulltInnbetalt": False, "bundet": 250000.25},
        "historiskeNavn": [{"navn": "HALVPARTEN MULIG AS", "fraDato": "1999-02-01 09:30:00",
                            "tilDato": "2008-11-05 12:29:08"}],
        "paategninger": [{"infotype": "FADR", "tekst": "Foretaksregisteret har grunn til å anta at adressen er feil.",
                          "innfoertDato": "2026-03-19"}],
        "postadresse": {"land": "Norge", "landkode": "NO", "postnummer": "0150", "poststed": "OSLO",
                        "adresse": ["c/o Bøtta", "Postboks 1 Sandkassen", ""], "kommune": "OSLO",
                        "kommunenummer": "0301"},
    }  # fmt: skip
    return (
        ("AS", everything),
        ("ASA", {"kapital": {"belop": 7761376300.0, "antallAksjer": 3104550520, "type": "Aksjekapital",
                             "valuta": "NOK", "innfortDato": "2025-07-02"}, "erIKonsern": True}),
        ("AS", {"konkurs": True, "konkursdato": "", "vedtektsfestetFormaal": [""]}),
        ("AS", {"konkurs": True, "konkursdato": "2026-09-22"}),
        ("NUF", {"forretningsadresse": _foreign("LONDON", "Storbritannia", "GB"),
                 "registreringsnummerIHjemlandet": "00000080",
                 "foretaksformIHjemlandet": {"kode": "LTD", "beskrivelse": "Private company limited by shares",
                                             "beskrivelseBokmaal": "Aksjeselskap"},
                 "underlagtLovgivningLand": "Storbritannia", "underlagtLovgivningLandKode": "GB",
                 "utenlandskRegisterNavn": "Register of Sandpits",
                 "utenlandskRegisterAdresse": {"adresse": ["Bucket House"], "poststed": "CARDIFF",
                                               "land": "Storbritannia"}}),
        ("UTLA", {"forretningsadresse": _foreign("GÖTEBORG", "Sverige", "SE")}),
        ("AS", dissolved | {"tvangsopplostPgaManglendeRegnskapDato": "2026-08-04"}),
        ("AS", dissolved | {"tvangsopplostPgaMangelfulltStyreDato": "2026-08-05"}),
        ("AS", dissolved | {"tvangsopplostPgaManglendeRevisorDato": "2026-08-06"}),
        ("AS", dissolved | {"tvangsopplostPgaManglendeDagligLederDato": "2026-08-07"}),
        ("AS", dissolved | {"tvangsavvikletPgaManglendeSlettingDato": "2026-08-10"}),
        ("AS", {"underAvvikling": True, "underAvviklingDato": "2026-06-30"}),
        ("AS", {"underRekonstruksjonsforhandlingDato": "2026-10-01"}),
        ("NUF", {"underUtenlandskInsolvensbehandlingDato": "2026-07-15"}),
        ("FLI", {"registrertIPartiregisteret": True, "registreringsdatoPartiregisteret": "2011-03-14"}),
        ("FLI", {"registrertIFrivillighetsregisteret": True, "registreringsdatoFrivillighetsregisteret": "2010-02-02",
                 "maalform": "Nynorsk"}),
        ("STI", {"kapital": {"belop": 100000.0, "type": "Grunnkapital", "valuta": "NOK",
                             "innfortDato": "2005-01-05"}}),
        ("ENK", {"postadresse": {"land": "Norge", "landkode": "NO", "postnummer": "9730", "poststed": "KARASJOK",
                                 "adresse": [None, "Postboks 2"], "kommune": PLACES[-1][2],
                                 "kommunenummer": PLACES[-1][3]}}),
        ("KBO", {}),
        ("UTBG", {}),
        ("KOMM", {}),
        ("ORGL", {}),  # overordnetEnhet is the KOMM before it
        ("ANS", {}),
        ("DA", {}),
        ("BRL", {}),
        ("ESEK", {}),
    )  # fmt: skip


SHOWCASE: Final = _showcase()

SUB_SHOWCASE: Final[tuple[Body, ...]] = (
    {"hjemmeside": "www.avdeling.example", "epostadresse": "avdeling@alt-mulig.example", "telefon": "00 10 00 02",
     "mobil": "00 90 00 02", "naeringskode2": code(INDUSTRIES[8]), "naeringskode3": code(INDUSTRIES[9]),
     "hjelpeenhetskode": code(AUXILIARY), "antallAnsatte": 57, "harRegistrertAntallAnsatte": True,
     "registreringsdatoAntallAnsatteEnhetsregisteret": "2026-10-12",
     "registreringsdatoAntallAnsatteNAVAaregisteret": "2026-10-10", "datoEierskifte": "2021-04-01",
     "oppstartsdato": "2009-01-02",
     "historiskeNavn": [{"navn": "HALVPARTEN MULIG AVD SKUFFE", "fraDato": "2009-01-09 08:00:00",
                         "tilDato": "2014-03-03 13:05:59"}],
     "postadresse": {"land": "Norge", "landkode": "NO", "postnummer": "5003", "poststed": "BERGEN",
                     "adresse": ["Postboks 3", None], "kommune": "BERGEN", "kommunenummer": "4601"}},
    {"overordnetEnhet": None, "nedleggelsesdato": "2026-10-20"},
    {"beliggenhetsadresse": _foreign("REYKJAVIK", "Island", "IS")},
    {"naeringskode1": None, "beliggenhetsadresse": None, "oppstartsdato": None},
)  # fmt: skip
"""Fields of the first underenheter; None takes the field away. The second has no parent, as some real ones."""


def numbers() -> Iterator[str]:
    """Organization numbers, ascending: 80xxxxxxx with a valid check digit (mod 11, weights 3 2 7 6 5 4 3 2)."""
    for base in range(80_000_019, 81_000_000, 3):
        digits = str(base)
        check = -sum(int(digit) * weight for digit, weight in zip(digits, (3, 2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
        if check < 10:
            yield f"{digits}{check}"


def address(rng: Random) -> Body:
    """A Norwegian address, as in `forretningsadresse` and its like."""
    postnummer, poststed, kommune, kommunenummer = rng.choice(PLACES)
    return {
        "land": "Norge",
        "landkode": "NO",
        "postnummer": postnummer,
        "poststed": poststed,
        "adresse": [words.street(rng)],
        "kommune": kommune,
        "kommunenummer": kommunenummer,
    }


def purpose(rng: Random) -> list[str]:
    """A long text, split in lines the way the register delivers it."""
    return list(rng.choice(_PURPOSES))


def industry(rng: Random) -> dict[str, str]:
    """An industry code with its description."""
    return code(rng.choice(INDUSTRIES))


def workforce(count: int, day: date) -> Body:
    """The employee fields; 1 to 4 are told only as "has some" (withheld by the register since 2023-09)."""
    if count == 0:
        return {"harRegistrertAntallAnsatte": False}
    counted = day.replace(day=12) if day.day >= 12 else (day.replace(day=1) - timedelta(days=1)).replace(day=12)
    fields: Body = {
        "harRegistrertAntallAnsatte": True,
        "registreringsdatoAntallAnsatteEnhetsregisteret": counted.isoformat(),
        "registreringsdatoAntallAnsatteNAVAaregisteret": (counted - timedelta(days=2)).isoformat(),
    }
    return fields if count < 5 else fields | {"antallAnsatte": count}


def enhet(rng: Random, number: str, code_of_form: str, day: date, registered: date, fixed: Body) -> Body:
    """A live enhet as it looks on `day`, registered on `registered`; `fixed` has the last word."""
    name = words.company(rng, code_of_form)
    since = registered.isoformat()
    company = code_of_form in _COMPANIES
    body: Body = {
        "organisasjonsnummer": number,
        "navn": name,
        "organisasjonsform": form(code_of_form),
        "registreringsdatoEnhetsregisteret": since,
        "registrertIMvaregisteret": False,
        "registrertIForetaksregisteret": company,
        "registrertIStiftelsesregisteret": code_of_form == "STI",
        "registrertIFrivillighetsregisteret": False,
        "registrertIPartiregisteret": False,
        "konkurs": False,
        "underAvvikling": False,
        "underTvangsavviklingEllerTvangsopplosning": False,
        "erIKonsern": rng.random() < 0.1,
        "maalform": "Nynorsk" if rng.random() < 0.12 else "Bokmål",
        "aktivitet": purpose(rng),
        "paategninger": [],
        "_links": link(f"/enheter/{number}"),
        "respons_klasse": "Enhet",
    }
    if code_of_form == "UTLA":
        body["forretningsadresse"] = _foreign("KØBENHAVN", "Danmark", "DK")
    elif rng.random() < 0.99:
        body["forretningsadresse"] = address(rng)
    if rng.random() < 0.96:
        fitting = {"BRL": HOUSING, "ESEK": HOUSING, "KOMM": PUBLIC, "ORGL": PUBLIC}.get(code_of_form)
        body["naeringskode1"] = code(fitting) if fitting else industry(rng)
    if rng.random() < 0.95:
        body["institusjonellSektorkode"] = code(SECTORS.get(code_of_form, SECTORS["AS"]))
    if rng.random() < 0.18:
        body["postadresse"] = address(rng) | {"adresse": [f"Postboks {rng.randint(4, 9000)}"]}
    if company:
        body["registreringsdatoForetaksregisteret"] = since
        body["vedtektsdato"] = since
        body["vedtektsfestetFormaal"] = purpose(rng)
    if code_of_form not in {"ENK", "KBO", "UTLA"}:
        body["stiftelsesdato"] = (registered - timedelta(days=rng.randint(1, 90))).isoformat()
    if code_of_form in _LIMITED:
        shares = rng.choice((30, 100, 1_000, 30_000, 1_200_000))
        body["kapital"] = {
            "belop": round(shares * rng.choice((1.0, 0.25, 12.35, 1000.0)), 2),
            "antallAksjer": shares,
            "type": "Aksjekapital",
            "valuta": "NOK",
            "innfortDato": since,
        }
        if registered.year < day.year - 1:
            body["sisteInnsendteAarsregnskap"] = str(day.year - rng.choice((1, 1, 1, 2)))
        if rng.random() < 0.6:
            body["fravalgRevisjonDato"] = since
            body["fravalgRevisjonBeslutningsDato"] = body["stiftelsesdato"]
    if rng.random() < 0.27:
        body["registrertIMvaregisteret"] = True
        body["registreringsdatoMerverdiavgiftsregisteret"] = since
        body["registreringsdatoMerverdiavgiftsregisteretEnhetsregisteret"] = since
        if rng.random() < 0.06:
            body["frivilligMvaRegistrertBeskrivelser"] = [rng.choice(_VOLUNTARY_VAT)]
            body["registreringsdatoFrivilligMerverdiavgiftsregisteret"] = since
    if code_of_form == "FLI" and rng.random() < 0.5:
        body["registrertIFrivillighetsregisteret"] = True
        body["registreringsdatoFrivillighetsregisteret"] = since
    if code_of_form == "NUF":
        body |= {
            "registreringsnummerIHjemlandet": f"SP{rng.randint(10_000, 99_999)}",
            "foretaksformIHjemlandet": {
                "kode": "AB",
                "beskrivelse": "Aktiebolag",
                "beskrivelseBokmaal": "Aksjeselskap",
            },
            "underlagtLovgivningLand": "Sverige",
            "underlagtLovgivningLandKode": "SE",
        }
    _contact(rng, body, 0.26)
    _past_name(rng, body, registered, 0.2, lambda: words.company(rng, code_of_form))
    body |= workforce(_employees(rng, 0.35 if company or code_of_form in {"KOMM", "ORGL"} else 0.05), day)
    body |= deepcopy(fixed)
    return {field: body[field] for field in ENHET_FIELDS if field in body}


def underenhet(rng: Random, number: str, parent: Body, day: date, registered: date, fixed: Body) -> Body:
    """A live underenhet of `parent`; `fixed` has the last word, and None there takes a field away."""
    business = parent["organisasjonsform"]["kode"] not in {"FLI", "ESEK", "BRL", "KBO"}
    body: Body = {
        "organisasjonsnummer": number,
        "navn": parent["navn"] if rng.random() < 0.6 else f"{parent['navn']} AVD {rng.choice(PLACES)[1]}",
        "organisasjonsform": form("BEDR" if business else "AAFY"),
        "registreringsdatoEnhetsregisteret": registered.isoformat(),
        "registrertIMvaregisteret": parent["registrertIMvaregisteret"],
        "overordnetEnhet": parent["organisasjonsnummer"],
        "naeringskode1": parent.get("naeringskode1") or industry(rng),
        "beliggenhetsadresse": address(rng),
        "_links": link(f"/underenheter/{number}") | parent_link(parent["organisasjonsnummer"]),
        "respons_klasse": "Underenhet",
    }
    if rng.random() < 0.9:
        body["oppstartsdato"] = (registered - timedelta(days=rng.randint(0, 60))).isoformat()
    if rng.random() < 0.22:
        body["postadresse"] = address(rng) | {"adresse": [f"Postboks {rng.randint(4, 9000)}"]}
    if rng.random() < 0.035:
        body["datoEierskifte"] = (registered + (day - registered) / 2).isoformat()
    _contact(rng, body, 0.22)
    _past_name(rng, body, registered, 0.18, lambda: f"{words.company(rng, 'AS')} AVD")
    body |= workforce(_employees(rng, 0.3 if business else 0.05), day)
    body |= deepcopy(fixed)
    body = {field: body[field] for field in UNDERENHET_FIELDS if body.get(field) is not None}
    if "overordnetEnhet" not in body:
        del body["_links"]["overordnetEnhet"]
    return body


def parent_link(number: str) -> Body:
    """The second link of an underenhet."""
    return {"overordnetEnhet": {"href": f"{BASE}/enheter/{number}"}}


def deleted(rng: Random, body: Body, day: date) -> Body:
    """What the register answers for a unit that has ceased; older answers lack `respons_klasse`."""
    sub_unit = body["respons_klasse"] == "Underenhet"
    left = {field: body[field] for field in ("organisasjonsnummer", "navn", "organisasjonsform")}
    if "historiskeNavn" in body:
        left["historiskeNavn"] = [dict(name) for name in body["historiskeNavn"]]
    left["slettedato"] = day.isoformat()
    if sub_unit:
        left["nedleggelsesdato"] = body.get("nedleggelsesdato") or day.isoformat()
    if rng.random() < 0.8:
        left["respons_klasse"] = "SlettetUnderEnhet" if sub_unit else "SlettetEnhet"
    return left | {"_links": {"self": body["_links"]["self"]}}


def removed(body: Body, day: date) -> Body:
    """What is left of a unit removed from the open data for legal reasons."""
    return {
        "organisasjonsnummer": body["organisasjonsnummer"],
        "slettedato": day.isoformat(),
        "_links": {"self": body["_links"]["self"]},
    }


def _contact(rng: Random, body: Body, likely: float) -> None:
    if rng.random() < likely:
        body["epostadresse"] = f"post@{words.domain(body['navn'])}"
    if rng.random() < likely * 0.9:
        body["mobil"] = words.telephone(rng, mobile=True)
    if rng.random() < likely * 0.3:
        body["telefon"] = words.telephone(rng)
        body["hjemmeside"] = f"www.{words.domain(body['navn'])}"


def _past_name(rng: Random, body: Body, registered: date, likely: float, name: Callable[[], str]) -> None:
    if rng.random() < likely:
        until = registered + timedelta(days=rng.randint(0, 30))
        body["historiskeNavn"] = [
            {"navn": name(), "fraDato": f"{registered} 09:14:{rng.randint(0, 59):02d}", "tilDato": f"{until} 23:59:59"}
        ]


def _employees(rng: Random, likely: float) -> int:
    if rng.random() >= likely:
        return 0
    return rng.randint(1, 4) if rng.random() < 0.65 else rng.choice((5, 6, 8, 11, 17, 40, 180))
