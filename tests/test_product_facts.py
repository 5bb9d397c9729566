"""What `product.yaml` may say, and how a wrong one is refused: each fault with file, line, field and remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import jsonschema
import pydantic
import pytest
import yaml

from dataproducts import product_file
from dataproducts.errors import DeclarationError
from dataproducts.product_facts import (
    LANGUAGES,
    SCHEMA_FILE,
    Access,
    AccessLevel,
    PersonalData,
    ProductFacts,
    Trouble,
    product_schema,
)
from dataproducts.product_file import LARGEST_FILE, load_facts

REGISTER = Path(__file__).parent.parent / "assets" / "enhetsregisteret" / "product.yaml"

GOOD = """\
name: kaffe
title:
  nb: Kaffeforbruk
  en: Coffee consumption
description:
  nb: Kopper per dag.
team: team-kaffe
contact:
  name: Team Kaffe
  email: kaffe@example.com
personal_data:
  class: none
  reason: Cups are counted, not people.
license: NLOD_2_0
publisher:
  name: NAV
  organization_number: "800000017"
themes: [GOVE]
periodicity: DAILY
"""

Write = Callable[[str | bytes], Path]
Faults = Callable[[str | bytes], list[str]]


@pytest.fixture(params=["libyaml", "python"])
def write(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes kaffe/product.yaml; each test runs with both of PyYAML's parsers, for a wheel may lack libyaml."""
    if request.param == "python":
        monkeypatch.setattr(product_file, "_LOADER", yaml.SafeLoader)

    def write(content: str | bytes) -> Path:
        path = tmp_path / "kaffe" / "product.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def faults(write: Write) -> Faults:
    """The faults found in a file of this content, without the path: `18: themes[0]: ...`."""

    def faults(content: str | bytes) -> list[str]:
        path = write(content)
        with pytest.raises(DeclarationError) as refused:
            load_facts(path)
        lines = str(refused.value).split("\n")
        assert all(line.startswith(f"{path}:") for line in lines)
        return [line.removeprefix(f"{path}:") for line in lines]

    return faults


def replaced(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


# What a product states


def test_the_register_states_its_facts() -> None:
    facts = load_facts(REGISTER)
    assert facts.name == "enhetsregisteret"
    assert facts.license.uri == "http://publications.europa.eu/resource/authority/licence/NLOD_2_0"
    assert facts.themes == ("GOVE", "ECON")
    assert facts.periodicity == "DAILY"
    assert facts.creator is not None
    assert facts.creator.name == "Brønnøysundregistrene"
    assert facts.personal_data.class_ is PersonalData.DIRECTLY_IDENTIFYING
    assert facts.access.level is AccessLevel.RESTRICTED
    assert facts.title.en
    assert facts.description.en


def test_every_field_of_the_register_metadata_contract_has_a_fact() -> None:
    follows_from_the_code = {"type", "uri"}
    contract = {
        "name", "type", "uri", "accessRights", "pii", "team", "title", "description", "repo", "slack", "keyword",
        "theme", "temporal", "language", "creator", "publisher", "license", "rights", "provenance", "periodicity",
        "author", "readme", "spatial", "contactPoint", "modified", "issued", "long_description", "sources",
        "accessGroups",
    }  # fmt: skip
    answered = {nav for field in product_schema()["properties"].values() for nav in field.get("x-nav-register", [])}
    assert contract - follows_from_the_code <= answered


def test_closed_is_the_default(write: Write) -> None:
    facts = load_facts(write(GOOD))
    assert facts.access == Access(level=AccessLevel.RESTRICTED, can_read=(), can_request=())
    assert facts.status == "draft"


def test_facts_cannot_be_changed_and_can_be_compared(write: Write) -> None:
    facts = load_facts(write(GOOD))
    with pytest.raises(pydantic.ValidationError):
        facts.team = "team-te"
    assert hash(facts) == hash(load_facts(write(GOOD + "\n# a comment changes nothing\n")))


def test_facts_survive_being_written_as_json(write: Write) -> None:
    facts = load_facts(write(GOOD + "temporal: {from: 2024-01-01}\nspatial: [NOR]\n"))
    assert ProductFacts.model_validate_json(facts.model_dump_json(exclude_none=True)) == facts


def test_a_text_falls_back_to_bokmal(write: Write) -> None:
    title = load_facts(write(GOOD)).title
    assert (title.best("en"), title.best("nn", "en"), title.best("nn"), title.best()) == (
        "Coffee consumption", "Coffee consumption", "Kaffeforbruk", "Kaffeforbruk",
    )  # fmt: skip


def test_yaml_does_not_turn_text_into_something_else(write: Write) -> None:
    traps = "language: [no, en]\nversion: 1.10\nkeywords: [1e3, 012, 12:30]\n"
    facts = load_facts(write(replaced("team: team-kaffe", "team: off") + traps))
    assert facts.language == ("no", "en")
    assert facts.version == "1.10"
    assert facts.team == "off"
    assert facts.keywords == ("1e3", "012", "12:30")


def test_dates_are_dates(write: Write) -> None:
    facts = load_facts(write(GOOD + "temporal:\n  from: 2024-01-01\n  to: 2024-12-31\nissued: '2024-02-29'\n"))
    assert facts.temporal is not None
    assert (facts.temporal.from_, facts.temporal.to, facts.issued) == (
        date(2024, 1, 1), date(2024, 12, 31), date(2024, 2, 29),
    )  # fmt: skip


def test_a_license_outside_the_vocabulary_is_stated_by_name_and_uri(write: Write) -> None:
    license_ = "license: {name: House rules, uri: 'https://example.com/rules'}"
    assert load_facts(write(replaced("license: NLOD_2_0", license_))).license.name == "House rules"


def test_windows_line_ends_and_a_byte_order_mark_are_harmless(write: Write) -> None:
    assert load_facts(write(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())) == load_facts(write(GOOD))


def test_every_language_has_its_code_in_the_eu_vocabulary() -> None:
    assert list(LANGUAGES) == product_schema()["properties"]["language"]["items"]["enum"]


# Personal data and access


@pytest.mark.parametrize("level", ["open", "internal"])
@pytest.mark.parametrize("held", [held for held in PersonalData if held.is_sensitive])
def test_sensitive_data_is_never_open_to_all(faults: Faults, held: str, level: str) -> None:
    found = faults(replaced("class: none", f"class: {held}") + f"access:\n  level: {level}\n")
    assert len(found) == 1
    assert found[0].startswith(f"21: access.level: '{level}' is refused for data of class '{held}'; allowed is 'restricted'")


@pytest.mark.parametrize("everyone", ["allUsers", "allAuthenticatedUsers", "all-users", "group:all-users@nav.no"])
def test_sensitive_data_is_not_given_to_a_group_of_everyone(faults: Faults, everyone: str) -> None:
    sensitive = replaced("class: none", "class: special_category")
    assert faults(sensitive + f"access:\n  can_read: [team-te, '{everyone}']\n")[0].startswith(
        "21: access.can_read: a group of all users is refused"
    )


def test_the_other_classes_count_too(faults: Faults) -> None:
    both = replaced("class: none", "class: possibly_identifying\n  also: [protected_address]")
    assert "access.level" in faults(both + "access: {level: open}\n")[0]
    assert faults(replaced("class: none", "class: none\n  also: [confidential]")) == [
        "13: personal_data.also: 'confidential' cannot stand beside the class 'none'"
    ]


@pytest.mark.parametrize("level", ["open", "internal", "restricted"])
def test_data_without_persons_may_be_opened(write: Write, level: str) -> None:
    assert load_facts(write(GOOD + f"access: {{level: {level}}}\n")).access.level == level


def test_claiming_no_personal_data_needs_a_reason(faults: Faults) -> None:
    assert faults(replaced("  reason: Cups are counted, not people.\n", "")) == [
        "11: personal_data.reason: is missing; the class 'none' needs it"
    ]


def test_claiming_anonymity_needs_the_method(write: Write, faults: Faults) -> None:
    claimed = replaced("class: none", "class: anonymized")
    assert faults(claimed) == ["11: personal_data.method: is missing; the class 'anonymized' needs it"]
    assert load_facts(write(claimed.replace("reason:", "method:"))).personal_data.method


# Wrong facts


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("themes: [GOVE]", "themes: [GOVV]", "18: themes[0]: 'GOVV' is not an EU data theme; did you mean 'GOVE'?"),
        ("themes: [GOVE]", "themes: GOVE", "18: themes: must be a list, not text; begin each item with '- '"),
        ("themes: [GOVE]", "themes: []", "18: themes: must not be empty"),
        ("themes: [GOVE]", "themes: [GOVE, GOVE]", "18: themes[1]: 'GOVE' is listed twice"),
        ("periodicity: DAILY", "periodicity: daily", "19: periodicity: 'daily' is not an EU frequency code; did you"),
        ("license: NLOD_2_0", "license: NLOD", "14: license: 'NLOD' is not an EU licence code; did you mean"),
        ("license: NLOD_2_0", "license: [CC0]", "14: license: must be text or a mapping of fields, not a list"),
        ("license: NLOD_2_0", "license: {name: x}", "14: license.uri: is missing: Where it can be read."),
        ("class: none", "class: pii", "12: personal_data.class: 'pii' is not a personal-data class. Allowed: none, "),
        ("team: team-kaffe", "team: [a]", "7: team: must be text, not a list"),
        ("team: team-kaffe", "team: ''", "7: team: must not be empty"),
        ("team: team-kaffe", "team: '  '", "7: team: must not be empty"),
        ("team: team-kaffe", "team:", "7: team: is empty; leave the field out"),
        ("team: team-kaffe", 'team: "a\\nb"', "7: team: 'a\\nb' is not a text on one line"),
        ("team: team-kaffe\n", "", "1: team: is missing: The team that owns and deploys it."),
        ("team: team-kaffe", "taem: team-kaffe", "7: taem: unknown field; did you mean 'team'? Allowed: name, title, "),
        ("  email: kaffe@", "  emial: kaffe@", "10: contact.emial: unknown field; did you mean 'email'? Allowed: "),
        ("kaffe@example.com", "kaffe@localhost", "10: contact.email: 'kaffe@localhost' is not an e-mail address"),
        ("800000017", "800000018", "17: publisher.organization_number: '800000018' has a wrong check digit"),
        ("800000017", "80000001", "17: publisher.organization_number: '80000001' is not a Norwegian org"),
        ("  nb: Kaffeforbruk\n", "", "2: title.nb: is missing: Norwegian bokmål."),
        ("  nb: Kaffeforbruk\n", "  nb: x\n  no: y\n", "4: title.no: unknown field"),
        ("name: kaffe", "name: kaffee", "1: name: 'kaffee' is not the name of its folder, 'kaffe'; rename one of them"),
        ("name: kaffe", "name: Kaffe", "1: name: 'Kaffe' is not a name of a-z, 0-9 and _ that begins with a letter"),
        ("name: kaffe", "name: kåffe", "1: name: 'kåffe' is not a name of a-z, 0-9 and _ that begins with a letter"),
        ("name: kaffe", "name: ../kaffe", "1: name: '../kaffe' is not a name of a-z"),
    ],
)  # fmt: skip
def test_a_wrong_fact_is_refused_with_its_line_and_what_is_allowed(faults: Faults, old: str, new: str, fault: str) -> None:
    found = faults(replaced(old, new))
    assert any(one.startswith(fault) for one in found), found


@pytest.mark.parametrize(
    ("added", "fault"),
    [
        ("slack: #kaffe", "slack: is empty; leave the field out, and put text that begins with # in quotes"),
        ("slack: ~", "slack: is empty"),
        ("slack: '#Team Kaffe'", "slack: '#Team Kaffe' is not a Slack channel such as '#team-register'"),
        ("spatial: [Norge]", "spatial[0]: 'Norge' is not a three-letter country code or URI"),
        ("language: [nob]", "language[0]: 'nob' is not a language code; did you mean 'no'?"),
        ("temporal: {from: 2024-13-01}", "temporal.from: '2024-13-01' is not a date, written YYYY-MM-DD"),
        ("temporal: {from: 1704067200}", "temporal.from: '1704067200' is not a date, written YYYY-MM-DD"),
        ("temporal: {from: 2024-02-01, to: 2024-01-01}", "temporal.to: '2024-01-01' is before 'from', 2024-02-01"),
        ("temporal: 2024-01-01/2024-12-31", "temporal: must be a mapping of fields, not text"),
        ("repository: javascript:alert(1)", "repository: 'javascript:alert(1)' is not an address"),
        ("repository: https://me:word@example.com", "repository: 'https://me:word@example.com' is not an address"),
        ("repository: https://example.com/<script>", "repository: 'https://example.com/<script>' is not an address"),
        ("version: v1", "version: 'v1' is not a version such as 1.10 or 1.10.0"),
        ("status: live", "status: 'live' is not a product status; did you mean 'active'? Allowed: proposed, "),
        ("links: [{title: a, url: http://a, kind: dashbord}]", "links[0].kind: 'dashbord' is not a kind of link; did"),
        ("links: [a]", "links[0]: must be a mapping of fields, not text"),
        ("accessRights: open", "accessRights: unknown field; did you mean 'access'?"),
        ("pii: 'false'", "pii: unknown field; did you mean 'personal_data'?"),
        ("repo: https://example.com", "repo: unknown field; did you mean 'repository'?"),
        ("<<: {team: x}", "'<<': unknown field. Allowed: name, "),
    ],
)
def test_a_wrong_optional_fact_is_refused(faults: Faults, added: str, fault: str) -> None:
    found = faults(f"{GOOD}{added}\n")
    assert len(found) == 1
    assert found[0].startswith(f"20: {fault}")


def test_all_faults_are_told_at_once_in_the_order_of_the_file(faults: Faults) -> None:
    wrong = GOOD.replace("GOVE", "GOVV").replace("email:", "emial:").replace("name: kaffe", "name: te")
    found = faults(wrong + "slack:\nteam: team-te\nperiodicty: DAILY\n")
    assert [one.split(": ")[:2] for one in found] == [
        ["1", "name"],
        ["8", "contact.email"],
        ["10", "contact.emial"],
        ["18", "themes[0]"],
        ["20", "slack"],
        ["21", "team"],
        ["22", "periodicty"],
    ]


def test_a_repeated_field_is_refused_wherever_it_stands(faults: Faults) -> None:
    assert faults(replaced("  en: Coffee consumption", "  en: Coffee\n  nb: Te") + "team: x\n") == [
        "5: title.nb: is stated twice, first on line 3; keep one",
        "21: team: is stated twice, first on line 8; keep one",
    ]


# Hostile files


def test_a_missing_file_is_told_from_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"product\.yaml: cannot be read \(No such file or directory\)"):
        load_facts(tmp_path / "product.yaml")
    with pytest.raises(DeclarationError, match=r"cannot be read \(Is a directory\)"):
        load_facts(tmp_path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "1: is empty; state at least the name"),
        ("# only a comment\n", ": is empty; state at least the name"),
        ("- name: kaffe\n", "1: must be a mapping of fields, not a list"),
        ("kaffe\n", "1: must be a mapping of fields, not text"),
        ("name: kaffe\ntitle:\n\tnb: Kaffe\n", "3: is not valid YAML: found character"),
        ("name: kaffe\nteam: 'x\n", "is not valid YAML: found unexpected end of stream"),
        ("name: kaffe\nteam: a: b\n", "2: is not valid YAML: mapping values are not allowed"),
        (GOOD + "---\nname: te\n", "20: a second document begins; keep one product in a file"),
        (GOOD + "rights: \x07\n", "20: holds the control character '\\x07'; delete it"),
        (GOOD.encode("utf-16"), "1: is not UTF-8 text; save the file as UTF-8"),
        (GOOD.encode("utf-16-le"), "1: holds the control character '\\x00'; delete it"),
        ((GOOD + "rights: Brønnøysund\n").encode("latin-1"), "20: is not UTF-8 text; save the file as UTF-8"),
        ("[" * 100_000, "1: is not valid YAML: it is nested too deep"),
        ("{" * 100_000, "1: is not valid YAML: it is nested too deep"),
        ("- " * 100_000, "1: is not valid YAML: it is nested too deep"),
        ("? " * 100_000, "1: is not valid YAML: it is nested too deep"),
        (GOOD + "? {a: b}\n: c\n", "20: '?': a field's name is one plain word"),
        (GOOD + "? [a]\n: c\n", "20: '?': a field's name is one plain word"),
        ("x: !!python/object/apply:os.system [ls]\n", "1: x: tags are not used here; leave out the word"),
        (replaced("team: team-kaffe", "team: !!str x"), "7: team: tags are not used here"),
        (replaced("team: team-kaffe", "team: &t x"), "7: team: anchors and aliases are not used here"),
        (replaced("team: team-kaffe", "team: *t"), "7: team: anchors and aliases are not used here"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_plain_mapping_is_refused_in_a_sentence(faults: Faults, content: str | bytes, fault: str) -> None:
    assert fault in faults(content)[0]


def test_a_file_that_is_too_large_is_not_read(faults: Faults) -> None:
    assert faults(GOOD + "#" * LARGEST_FILE) == [" is larger than 256 kB; it holds facts about data, not data"]


def test_an_alias_bomb_is_refused_at_once(faults: Faults) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    assert any("anchors and aliases" in one for one in faults(bomb))  # or it would fill the memory


def test_a_flood_of_faults_is_cut_and_counted(faults: Faults) -> None:
    found = faults(GOOD + "".join(f"x{number}: y\n" for number in range(5_000)))
    assert len(found) == 51
    assert found[-1] == " and 4950 more faults"


def test_a_fault_stays_on_one_short_line(faults: Faults) -> None:
    found = faults(replaced("NLOD_2_0", "x" * 10_000) + f'"a\\nb": c\n{"y" * 1_000}: z\n')
    assert len(found) == 3
    assert all(len(one) < 600 for one in found)


# The schema for editors


def test_the_published_schema_is_the_models() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == product_schema(), (
        "run `python -m dataproducts.product_facts` to write the schema anew"
    )


def test_the_schema_is_a_schema_and_describes_every_field() -> None:
    schema = product_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    models = [schema, *(one for one in schema["$defs"].values() if "properties" in one)]
    assert all(field.get("description") for model in models for field in model["properties"].values())


def test_the_registers_facts_hold_to_the_published_schema() -> None:
    text = REGISTER.read_text(encoding="utf-8")
    named = text.splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    assert (REGISTER.parent / named).resolve() == SCHEMA_FILE.resolve()
    jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))).validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("GOVE", "GOVV"),
        ("DAILY", "daily"),
        ("NLOD_2_0", "NLOD"),
        ("class: none", "class: pii"),
        ("team: team-kaffe", "team: [a]"),
        ("team: team-kaffe", "team:"),
        ("team: team-kaffe\n", ""),
        ("team: team-kaffe", "taem: team-kaffe"),
        ("kaffe@example.com", "nobody"),
        ("800000017", "80000001"),
        ("name: kaffe", "name: Kaffe"),
        ("[GOVE]", "[GOVE, GOVE]"),
        ("[GOVE]", "[]"),
    ],
)
def test_an_editor_marks_what_the_reader_refuses(faults: Faults, old: str, new: str) -> None:
    wrong = replaced(old, new)
    assert faults(wrong)
    editor = jsonschema.Draft202012Validator(product_schema())
    assert editor.is_valid(yaml.safe_load(GOOD))
    assert not editor.is_valid(yaml.safe_load(wrong))


# --- what it needs where it runs ---


def test_a_runtime_has_defaults_and_takes_what_a_cluster_takes(write: Write) -> None:
    runtime = load_facts(write(GOOD)).runtime
    assert (runtime.resources.memory, runtime.retries, runtime.deadline_minutes, runtime.schedule) == ("512Mi", 1, 360, None)
    stated = (
        "runtime:\n  schedule: {cron: '*/15 5-22 * * mon-fri'}\n  resources: {cpu: 2, memory: 1Gi}\n  egress: ['db.example.com:5432']\n"
    )
    runtime = load_facts(write(GOOD + stated + "  retries: 0\n")).runtime
    assert runtime.schedule is not None
    assert (runtime.schedule.cron, runtime.schedule.time_zone) == ("*/15 5-22 * * mon-fri", "Europe/Oslo")
    assert (runtime.resources.cpu, runtime.egress, runtime.retries) == ("2", ("db.example.com:5432",), 0)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("schedule: {cron: '*/15 0 0 0 0'}", "runtime.schedule.cron: '*/15 0 0 0 0' has the day of the month '0'"),
        ("schedule: {cron: '0 5 * * *', time_zone: Oslo}", "runtime.schedule.time_zone: 'Oslo' is no time zone; write one as Europe/Oslo"),
        ("resources: {memory: 2G}", "runtime.resources.memory: '2G' is not an amount of memory such as 512Mi or 2Gi"),
        ("resources: {memory: 2Gi, memory_limit: 512Mi}", "'512Mi' is less than the memory kept for it, 2Gi"),
        ("resources: {cpu: 1.5}", "runtime.resources.cpu: '1.5' is not a number of processors such as 2 or 500m (thousandths)"),
        ("egress: [https://data.example.com]", "runtime.egress[0]: 'https://data.example.com' is not a host name"),
        ("egress: ['*.example.com']", "is not a host name"),
        ("retries: 11", "runtime.retries: '11' is not a number from 0 to 10"),
        ("retries: some", "runtime.retries: 'some' is not a number from 0 to 10"),
        ("deadline_minutes: 0", "is not a number of minutes from 1 to 10080"),
        ("secrets: [Shop_Database]", "is not a Kubernetes name of a-z, 0-9 and -"),
        ("environment: [{name: shop-mode, value: x}]", "'shop-mode' is not an environment variable"),
        ("memory: 2Gi", "runtime.memory: unknown field"),
    ],
)
def test_a_fault_in_the_runtime_is_told_where_it_stands(write: Write, stated: str, said: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        load_facts(write(f"{GOOD}runtime:\n  {stated}\n"))
    assert said in str(refused.value)


# Alerts


@pytest.mark.parametrize(
    ("alerts", "fault"),
    [
        ("{kinds: [stale]}", "alerts.email: is missing; state it, slack_webhook or both"),
        ("{email: []}", "alerts.email: is missing; state it, slack_webhook or both"),
        ("{slack_webhook: '#team'}", "alerts.slack_webhook: '#team' is not an environment variable"),
        ("{email: [a@example.com], remind_hours: 0}", "alerts.remind_hours: '0' is not a number of hours from 1 to 8784"),
        (
            "{email: [a@example.com], kinds: [stalee]}",
            "alerts.kinds[0]: 'stalee' is not a kind of trouble; did you mean 'stale'? "
            "Allowed: run_failed, check_failed, check_warned, stale, silent, dead_letters, reconciliation.",
        ),
    ],
)
def test_alerts_that_nobody_would_get_are_refused(faults: Faults, alerts: str, fault: str) -> None:
    assert faults(f"{GOOD}alerts: {alerts}\n") == [f"20: {fault}"]


def test_the_address_of_a_webhook_is_refused_and_not_repeated(faults: Faults) -> None:
    (said,) = faults(GOOD + "alerts: {slack_webhook: https://hooks.slack.com/services/T0/B0/hemmelig}\n")
    assert said == "20: alerts.slack_webhook: is an address, and a secret; keep it in an environment variable, and write that one's name"


def test_alerts_are_of_all_but_warnings_where_nothing_is_said(write: Write) -> None:
    alerts = load_facts(write(GOOD + "alerts: {slack_webhook: SLACK_KAFFE}\n")).alerts
    assert alerts is not None
    assert set(Trouble) - set(alerts.kinds) == {Trouble.CHECK_WARNED}
    assert (alerts.silent_hours, alerts.remind_hours) == (None, 24)
