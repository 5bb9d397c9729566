"""The contracts of Enhetsregisteret: every field has a column, and the rules refuse what the register never issues."""

from __future__ import annotations

import datetime
import re
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from assets.enhetsregisteret import schemas
from assets.enhetsregisteret.schemas.organisasjonsnummer import WEIGHTS, is_valid

MODELS = {
    "enheter": schemas.Enhet,
    "underenheter": schemas.Underenhet,
    "oppdateringer": schemas.Oppdatering,
    "organisasjonsformer": schemas.Organisasjonsform,
    "roller": schemas.Rolle,
}
CONTRACTS = {name: dp.Contract.of(model, dataset=f"enhetsregisteret/{name}") for name, model in MODELS.items()}
EACH = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS.keys())


def expand(fields: str) -> set[str]:
    """`a b{c d}` as the paths a, b.c and b.d."""
    paths = set()
    for name, members in re.findall(r"(\w+)(?:\{([^}]*)\})?", fields):
        paths |= {f"{name}.{member}" for member in members.split()} if members else {name}
    return paths


# What the API sends, as its documentation and its answers name it. A list, of objects or not, is one field.
BOTH = expand(
    """
    organisasjonsnummer navn organisasjonsform{kode beskrivelse utgaatt _links links} respons_klasse _links links
    historiskeNavn registreringsdatoEnhetsregisteret slettedato overordnetEnhet
    naeringskode1{kode beskrivelse} naeringskode2{kode beskrivelse} naeringskode3{kode beskrivelse}
    hjelpeenhetskode{kode beskrivelse} harRegistrertAntallAnsatte antallAnsatte
    registreringsdatoAntallAnsatteEnhetsregisteret registreringsdatoAntallAnsatteNAVAaregisteret
    registrertIMvaregisteret registreringsdatoMerverdiavgiftsregisteret
    registreringsdatoMerverdiavgiftsregisteretEnhetsregisteret registreringsdatoFrivilligMerverdiavgiftsregisteret
    frivilligMvaRegistrertBeskrivelser hjemmeside epostadresse telefon mobil
    postadresse{adresse postnummer poststed kommune kommunenummer land landkode}
    """
)
ENHET = BOTH | expand(
    """
    forretningsadresse{adresse postnummer poststed kommune kommunenummer land landkode}
    institusjonellSektorkode{kode beskrivelse} maalform stiftelsesdato vedtektsdato vedtektsfestetFormaal aktivitet
    erIKonsern registrertIForetaksregisteret registreringsdatoForetaksregisteret registrertIStiftelsesregisteret
    registrertIFrivillighetsregisteret registreringsdatoFrivillighetsregisteret registrertIPartiregisteret
    registreringsdatoPartiregisteret sisteInnsendteAarsregnskap fravalgRevisjonDato fravalgRevisjonBeslutningsDato
    kapital{belop antallAksjer type valuta innfortDato innbetalt fulltInnbetalt bundet}
    konkurs konkursdato underAvvikling underAvviklingDato underTvangsavviklingEllerTvangsopplosning
    tvangsopplostPgaManglendeDagligLederDato tvangsopplostPgaManglendeRevisorDato
    tvangsopplostPgaManglendeRegnskapDato tvangsopplostPgaMangelfulltStyreDato tvangsavvikletPgaManglendeSlettingDato
    underRekonstruksjonsforhandlingDato underUtenlandskInsolvensbehandlingDato paategninger
    registreringsnummerIHjemlandet foretaksformIHjemlandet{kode beskrivelse beskrivelseBokmaal _links links}
    underlagtLovgivningLand underlagtLovgivningLandKode utenlandskRegisterNavn
    utenlandskRegisterAdresse{adresse poststed land}
    """
)
UNDERENHET = BOTH | expand(
    """
    beliggenhetsadresse{adresse postnummer poststed kommune kommunenummer land landkode}
    oppstartsdato datoEierskifte nedleggelsesdato
    """
)
OPPDATERING = expand("oppdateringsid dato organisasjonsnummer endringstype endringer _links") | {"enhetstype"}
ORGANISASJONSFORM = expand("kode beskrivelse utgaatt _links")

UNIT_WITH_ROLES: dict[str, Any] = {
    "rollegrupper": [
        {
            "type": {"kode": "DAGL", "beskrivelse": "Daglig leder", "_links": {"self": {"href": "x"}}},
            "sistEndret": "2020-11-02",
            "roller": [
                {
                    "type": {"kode": "DAGL", "beskrivelse": "Daglig leder", "_links": {"self": {"href": "x"}}},
                    "person": {
                        "fodselsdato": "1970-01-01",
                        "navn": {"fornavn": "Prøve", "mellomnavn": "Test", "etternavn": "Oppdiktet"},
                        "erDoed": False,
                    },
                    "fratraadt": False,
                    "avregistrert": False,
                    "rekkefolge": 0,
                    "valgtAv": {"kode": "AREP", "beskrivelse": "De ansatte", "_links": {"self": {"href": "x"}}},
                    "stadfestetFremtidsfullmakt": False,
                    "begrensetRettsligHandleevne": False,
                }
            ],
        },
        {
            "type": {"kode": "REVI", "beskrivelse": "Revisor", "links": []},
            "sistEndret": "2021-01-01",
            "roller": [
                {
                    "type": {"kode": "REVI", "beskrivelse": "Revisor", "links": []},
                    "enhet": {
                        "organisasjonsnummer": "800000017",
                        "organisasjonsform": {
                            "kode": "AS",
                            "beskrivelse": "Aksjeselskap",
                            "utgaatt": None,
                            "_links": {},
                        },
                        "navn": ["OPPDIKTET REVISJON", "AS"],
                        "godkjenningsstatus": "Godkjent revisjonsforetak",
                        "erSlettet": False,
                        "_links": {"self": {"href": "x"}},
                    },
                    "ansvarsandel": "1/2",
                },
                {"type": {"kode": "REVI", "beskrivelse": "Revisor"}},
            ],
        },
    ],
    "_links": {"self": {"href": "https://x.example/api/enheter/800000009/roller"}},
}


def leaves(value: Any, path: str = "") -> set[str]:
    """The dotted paths of a record's fields; an object without members is a field of its own."""
    if isinstance(value, dict) and value:
        return {leaf for k, v in value.items() for leaf in leaves(v, f"{path}.{k}" if path else k)}
    return {path}


def homeless(contract: dp.Contract, paths: set[str]) -> set[str]:
    """The paths that neither a column nor a declared exception takes."""
    rest = next(c for c in contract.columns if c.source == dp.REST)
    sources = {c.source for c in contract.columns}
    return {p for p in paths if p not in sources and not any(f"{p}.".startswith(f"{i}.") for i in rest.ignore)}


def rows(contract: dp.Contract, *records: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{n: r.get(n) for n in contract.names} for r in records], schema=contract.dtypes)


def broken(contract: dp.Contract, frame: pl.DataFrame) -> set[str]:
    """The names of the rules the frame breaks, errors and warnings alike."""
    assert contract.schema is not None
    try:
        contract.schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as failure:
        rules = {(e.schema.name, getattr(e.check, "name", "required")) for e in failure.schema_errors}
        return {f"{column}_{name}" if column in contract.by_name else name for column, name in rules}
    return set()


LIVE: dict[str, Any] = {
    "organisasjonsnummer": "800000009",
    "navn": "OPPDIKTET PRØVE AS",
    "organisasjonsform_kode": "AS",
    "registreringsdato_enhetsregisteret": datetime.date(2020, 1, 2),
    "maalform": "Bokmål",
} | dict.fromkeys(
    (
        "har_registrert_antall_ansatte",
        "registrert_i_mvaregisteret",
        "registrert_i_foretaksregisteret",
        "registrert_i_stiftelsesregisteret",
        "registrert_i_frivillighetsregisteret",
        "registrert_i_partiregisteret",
        "er_i_konsern",
        "konkurs",
        "under_avvikling",
        "under_tvangsavvikling_eller_tvangsopplosning",
    ),
    False,
)


@pytest.mark.parametrize(
    ("dataset", "key"),
    [
        ("enheter", ("organisasjonsnummer",)),
        ("underenheter", ("organisasjonsnummer",)),
        ("oppdateringer", ("enhetstype", "oppdateringsid")),
        ("organisasjonsformer", ("kode",)),
        ("roller", ("organisasjonsnummer", "lopenummer")),
    ],
)
def test_each_dataset_has_a_key_that_is_never_missing(dataset: str, key: tuple[str, ...]) -> None:
    contract = CONTRACTS[dataset]
    assert contract.key == key
    assert not any(contract.by_name[name].nullable for name in key)


@EACH
def test_a_consumer_reads_what_every_column_means_and_whether_it_is_personal(contract: dp.Contract) -> None:
    assert contract.description.endswith(".")
    for column in contract.columns:
        assert column.description.endswith("."), column.name
        assert column.personal is not None, column.name
        assert column.source, column.name


@EACH
def test_column_names_are_ascii_snake_case(contract: dp.Contract) -> None:
    assert [name for name in contract.names if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)] == []


@EACH
def test_no_two_columns_take_the_same_field(contract: dp.Contract) -> None:
    sources = [c.source for c in contract.columns]
    assert len(sources) == len(set(sources))


@EACH
def test_fields_the_api_adds_later_are_kept_in_the_last_column(contract: dp.Contract) -> None:
    last = contract.columns[-1]
    assert (last.name, last.source, last.nullable) == ("ukjente_felt", dp.REST, True)


@pytest.mark.parametrize(
    ("dataset", "fields"),
    [
        ("enheter", ENHET),
        ("underenheter", UNDERENHET),
        ("oppdateringer", OPPDATERING),
        ("organisasjonsformer", ORGANISASJONSFORM),
        ("roller", set().union(*(leaves(r) for r in schemas.role_records(UNIT_WITH_ROLES)))),
    ],
)
def test_every_field_of_the_api_has_a_column_and_every_column_a_field(dataset: str, fields: set[str]) -> None:
    contract = CONTRACTS[dataset]
    assert homeless(contract, fields) == set()
    assert {c.source for c in contract.columns} - fields == {dp.REST}


def test_links_are_left_out_and_other_new_fields_are_not() -> None:
    contract = CONTRACTS["enheter"]
    assert homeless(contract, {"_links.self.href", "links", "organisasjonsform._links.self.href"}) == set()
    assert homeless(contract, {"nyttFelt", "kapital.nytt", "_linksenhet"}) == {
        "nyttFelt",
        "kapital.nytt",
        "_linksenhet",
    }


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ("kapital_belop", pl.Decimal(20, 2)),
        ("kapital_antall_aksjer", pl.Int64()),  # beyond 32 bits in the register
        ("siste_innsendte_aarsregnskap", pl.Int64()),
        ("konkursdato", pl.Date()),
        ("forretningsadresse_adresse", pl.List(pl.String)),
        ("historiske_navn", pl.List(pl.Struct({"navn": pl.String, "fraDato": pl.String, "tilDato": pl.String}))),
    ],
)
def test_fields_have_their_exact_type(column: str, dtype: pl.DataType) -> None:
    assert CONTRACTS["enheter"].dtypes[column] == dtype


def test_a_sole_proprietors_name_and_whereabouts_are_personal() -> None:
    personal = {c.name for c in CONTRACTS["enheter"].columns if c.is_personal}
    street = {f"{a}_{p}" for a in ("forretningsadresse", "postadresse") for p in ("adresse", "postnummer", "poststed")}
    contact = {"epostadresse", "telefon", "mobil", "hjemmeside"}
    assert personal == street | contact | {"navn", "historiske_navn", "paategninger", "ukjente_felt"}


def test_persons_with_roles_are_directly_identifying_and_their_legal_capacity_is_sensitive() -> None:
    classes = {c.name: c.personal for c in CONTRACTS["roller"].columns}
    names = ("person_fodselsdato", "person_fornavn", "person_mellomnavn", "person_etternavn")
    assert {classes[name] for name in names} == {"directly_identifying"}
    assert classes["begrenset_rettslig_handleevne"] == "special_category"


# Rules


def check_digit(first_eight: str) -> str | None:
    """The digit by the book: 11 less the remainder, 11 becomes 0, and for 10 there is no number."""
    digit = 11 - sum(int(d) * w for d, w in zip(first_eight, WEIGHTS, strict=True)) % 11
    return None if digit == 10 else str(digit % 11)


def test_the_check_digit_is_right_for_one_digit_at_most() -> None:
    starts = [f"8000{n:04}" for n in range(0, 10_000, 7)]
    numbers = [start + last for start in starts for last in "0123456789"]
    expected = [check_digit(n[:8]) == n[8] for n in numbers]
    assert pl.DataFrame({"n": numbers}).select(is_valid(pl.col("n"))).to_series().to_list() == expected
    assert {check_digit(start) for start in starts} == {None, *"0123456789"}  # both special cases were met


@pytest.mark.parametrize(
    "text",
    [
        "",
        "80000000",
        "8000000090",
        "800000O09",
        "+80000009",
        "-80000009",
        " 800000009",
        "800000009\n",
        "\uff18\uff10\uff10\uff10\uff10\uff10\uff10\uff1009",
    ],
)
def test_text_that_is_no_organization_number_is_invalid_and_raises_nothing(text: str) -> None:
    assert pl.DataFrame({"n": [text]}).select(is_valid(pl.col("n"))).item() is False


def test_a_missing_number_is_neither_valid_nor_invalid() -> None:
    nothing = pl.DataFrame({"n": [None]}, schema={"n": pl.String})
    assert nothing.select(is_valid(pl.col("n"))).item() is None


@pytest.mark.parametrize("dataset", ["enheter", "underenheter"])
@pytest.mark.parametrize(
    ("wrong", "rules"),
    [
        ("800000008", {"organisasjonsnummer_mod11"}),
        ("800000050", {"organisasjonsnummer_mod11"}),  # its check digit would be ten
        ("200000009", {"organisasjonsnummer_mod11", "organisasjonsnummer_str_matches"}),
        ("ABC", {"organisasjonsnummer_mod11", "organisasjonsnummer_str_matches"}),
        (None, {"organisasjonsnummer_required"}),
    ],
)
def test_a_unit_with_a_wrong_number_is_refused(dataset: str, wrong: str | None, rules: set[str]) -> None:
    contract = CONTRACTS[dataset]
    found = broken(contract, rows(contract, LIVE, LIVE | {"organisasjonsnummer": wrong}))
    assert found == rules
    assert {r.severity for r in contract.all_rules if r.name in rules} == {"error"}


@pytest.mark.parametrize("dataset", ["enheter", "underenheter"])
def test_a_unit_with_no_more_than_every_live_unit_has_breaks_no_rule(dataset: str) -> None:
    contract = CONTRACTS[dataset]
    assert broken(contract, rows(contract, LIVE)) == set()


def test_a_foreign_unit_without_postal_code_and_municipality_breaks_no_rule() -> None:
    contract = CONTRACTS["enheter"]
    foreign = {"forretningsadresse_adresse": ["Storgatan 1", None, ""], "forretningsadresse_landkode": "SE"}
    assert broken(contract, rows(contract, LIVE | foreign)) == set()


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("naeringskode1_kode", ["06.100", "00.000", "41", "41.1"], ["6.100", "06.1000", "06100", "x06.100"]),
        ("forretningsadresse_kommunenummer", ["0301", "4204"], ["301", "03011", "OSLO"]),
        ("postadresse_postnummer", ["0150"], ["150", "N-0150"]),
        ("forretningsadresse_landkode", ["NO"], ["no", "NOR"]),
        ("maalform", ["Bokmål", "Nynorsk"], ["bokmål", "Samisk"]),
        ("overordnet_enhet", ["800000009", None], ["800000008", ""]),
        ("siste_innsendte_aarsregnskap", [2024, None], [24]),
        ("respons_klasse", ["Enhet", None], ["Noe"]),
    ],
)
def test_an_odd_detail_is_reported_and_does_not_refuse_the_unit(column: str, good: list[Any], bad: list[Any]) -> None:
    contract = CONTRACTS["enheter"]
    severity = {r.name: r.severity for r in contract.all_rules}
    assert broken(contract, rows(contract, *(LIVE | {column: value} for value in good))) == set()
    for value in bad:
        found = broken(contract, rows(contract, LIVE | {column: value}))
        assert len(found) == 1, (value, found)
        assert {severity[name] for name in found} == {"warn"}


@EACH
def test_only_what_the_register_surely_keeps_refuses_a_row(contract: dp.Contract) -> None:
    errors = {r.name for r in contract.all_rules if r.severity == "error" and r.kind != "required"}
    assert errors <= {
        "organisasjonsnummer_str_matches",
        "organisasjonsnummer_mod11",
        "antall_ansatte_greater_than_or_equal_to",
        "enhetstype_isin",
        "oppdateringsid_greater_than_or_equal_to",
        "lopenummer_greater_than_or_equal_to",
        "kode_str_length",
    }


def test_employees_counted_but_not_flagged_are_reported() -> None:
    contract = CONTRACTS["underenheter"]
    counted = LIVE | {"antall_ansatte": 12}
    assert broken(contract, rows(contract, counted)) == {"antall_ansatte_er_merket"}
    assert broken(contract, rows(contract, counted | {"har_registrert_antall_ansatte": True})) == set()
    withheld = LIVE | {"antall_ansatte": None, "har_registrert_antall_ansatte": True}
    assert broken(contract, rows(contract, withheld)) == set()


def test_rules_that_units_share_bear_the_same_name_in_both_datasets() -> None:
    shared = {"organisasjonsnummer_mod11", "overordnet_enhet_mod11", "antall_ansatte_er_merket"}
    for dataset in ("enheter", "underenheter"):
        assert shared <= {r.name for r in CONTRACTS[dataset].all_rules}


# Change events


def test_a_patch_keeps_its_value_as_json_text() -> None:
    patches = [
        {"op": "replace", "path": "/navn", "value": "PRØVE AS"},
        {"op": "replace", "path": "/antallAnsatte", "value": 7},
        {"op": "add", "path": "/paategninger/-", "value": {"infotype": "X", "tekst": ["a", None]}},
        {"op": "replace", "path": "/konkursdato", "value": None},
        {"op": "remove", "path": "/mobil"},
    ]
    event = {"oppdateringsid": 1, "endringstype": "Endring", "endringer": patches}
    record = schemas.event_record(event, "underenhet")
    values = [patch.get("value") for patch in record["endringer"]]
    assert values == ['"PRØVE AS"', "7", '{"infotype":"X","tekst":["a",null]}', "null", None]
    assert record["enhetstype"] == "underenhet"
    assert event["endringer"][0]["value"] == "PRØVE AS"  # type: ignore[index]  # the event itself is left alone


@pytest.mark.parametrize("garbage", [None, "x", 7, ["x"]])
def test_an_event_that_is_no_object_becomes_a_record_without_a_number(garbage: Any) -> None:
    record = schemas.event_record(garbage, "enhet")
    assert record["hendelse"] == garbage
    assert "organisasjonsnummer" not in record


def test_an_event_of_an_unknown_type_is_kept_and_reported() -> None:
    contract = CONTRACTS["oppdateringer"]
    event = {
        "enhetstype": "enhet",
        "oppdateringsid": 1,
        "dato": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
        "organisasjonsnummer": "800000009",
    }
    known = [event | {"endringstype": kind} for kind in ("Ny", "Endring", "Sletting", "Fjernet", "Ukjent")]
    assert broken(contract, rows(contract, *known)) == set()
    assert broken(contract, rows(contract, event | {"endringstype": "Noe"})) == {"endringstype_isin"}


# Roles


def test_a_unit_gives_one_record_per_role_numbered_through_its_groups() -> None:
    records = schemas.role_records(UNIT_WITH_ROLES)
    assert [(r["lopenummer"], r["type"]["kode"], r["sistEndret"]) for r in records] == [
        (1, "DAGL", "2020-11-02"),
        (2, "REVI", "2021-01-01"),
        (3, "REVI", "2021-01-01"),
    ]
    assert records[1]["rolle"] == UNIT_WITH_ROLES["rollegrupper"][1]["roller"][0]


@pytest.mark.parametrize(
    "naming",
    [
        {"organisasjonsnummer": "800000009"},
        {"_links": {"enhet": {"href": "https://x.example/api/enheter/800000009"}}},
        {"_links": {"self": {"href": "https://x.example/api/enheter/800000009/roller"}}},
        {"_links": {"enhet": {"href": "https://x.example/api/underenheter/800000009?a=b"}}},
        {"organisasjonsnummer": "800000009", "links": []},
    ],
)
def test_the_unit_of_a_role_is_known_from_its_number_or_its_links(naming: dict[str, Any]) -> None:
    groups = UNIT_WITH_ROLES["rollegrupper"]
    assert {r["organisasjonsnummer"] for r in schemas.role_records({"rollegrupper": groups, **naming})} == {"800000009"}


def test_a_unit_without_roles_gives_no_records() -> None:
    assert schemas.role_records({"rollegrupper": [], "organisasjonsnummer": "800000009"}) == []


def test_a_new_member_anywhere_in_a_role_answer_is_kept() -> None:
    group = {"type": {"kode": "DAGL"}, "nyGruppe": 1, "roller": [{"type": {"kode": "DAGL"}, "nyRolle": 2}]}
    (record,) = schemas.role_records({"organisasjonsnummer": "800000009", "rollegrupper": [group], "nySvar": 3})
    assert homeless(CONTRACTS["roller"], leaves(record)) == {"nyGruppe", "rolle.nyRolle", "svar.nySvar"}


@pytest.mark.parametrize("garbage", [None, "x", [], {"rollegrupper": "x"}, {"rollegrupper": ["x"]}, {"rollegrupper": [{"roller": "x"}]}])
def test_what_is_no_role_becomes_a_record_the_contract_refuses(garbage: Any) -> None:
    (record,) = schemas.role_records(garbage)
    assert "type" not in record
    assert "rolle" not in record
    required = {c.source for c in CONTRACTS["roller"].columns if not c.nullable}
    assert {"type.kode", "rolle.type.kode", "organisasjonsnummer"} <= required


def test_a_role_that_nobody_holds_is_reported() -> None:
    contract = CONTRACTS["roller"]
    role = {"organisasjonsnummer": "800000009", "lopenummer": 1, "rollegruppe_kode": "STYR", "rolle_kode": "MEDL"}
    by_person = role | {"person_etternavn": "Oppdiktet"}
    by_unit = role | {"enhet_organisasjonsnummer": "800000017"}
    assert broken(contract, rows(contract, by_person, by_unit)) == set()
    assert broken(contract, rows(contract, role)) == {"rollen_har_en_innehaver"}
    assert broken(contract, rows(contract, by_person | by_unit)) == {"rollen_har_en_innehaver"}
