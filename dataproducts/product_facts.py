"""The facts a product states about itself: the model of `product.yaml`, its reader and its JSON Schema.

`x-nav-register` in the schema names the fields of NAV's "register metadata" contract and of its marketplace that a
fact answers. What follows from code or a materialization (datasets, type, uri, columns, lineage) is not stated here.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
import yaml
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, PydanticCustomError, core_schema

from dataproducts.errors import DeclarationError

SCHEMA_FILE = Path(__file__).parent / "schemas" / "product.schema.json"
EU_AUTHORITY = "http://publications.europa.eu/resource/authority/"
LARGEST_FILE = 256 * 1024  # bytes
_DEEPEST, _MOST_FAULTS, _LONGEST_SHOWN = 12, 50, 60
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's parser is ten times as fast
_At = tuple[int | str, ...]
T = TypeVar("T")


class PersonalData(StrEnum):
    """What a product, dataset or column holds that needs protection (NAV's decision of 2022 on marking)."""

    NONE = "none"
    ANONYMIZED = "anonymized"
    CONFIDENTIAL = "confidential"  # under a duty of confidentiality, of persons or not
    POSSIBLY_IDENTIFYING = "possibly_identifying"
    DIRECTLY_IDENTIFYING = "directly_identifying"
    SPECIAL_CATEGORY = "special_category"
    PROTECTED_ADDRESS = "protected_address"

    @property
    def is_sensitive(self) -> bool:
        """Every class but `none` and `anonymized`: what the marketplace calls sensitive."""
        return self not in (PersonalData.NONE, PersonalData.ANONYMIZED)


class AccessLevel(StrEnum):
    """Who may read: everyone (`open`), all of the organization (`internal`), only the groups named (`restricted`)."""

    OPEN = "open"
    INTERNAL = "internal"
    RESTRICTED = "restricted"


PersonalDataClass = Annotated[PersonalData, Field(title="personal-data class")]
Theme = Annotated[
    Literal["AGRI", "ECON", "EDUC", "ENER", "ENVI", "GOVE", "HEAL", "INTR", "JUST", "REGI", "SOCI", "TECH", "TRAN"],
    Field(title="EU data theme"),
]
Periodicity = Annotated[
    Literal[
        "1MIN", "5MIN", "10MIN", "15MIN", "30MIN", "HOURLY", "BIHOURLY", "TRIHOURLY", "12HRS", "DAILY", "DAILY_2",
        "WEEKLY", "WEEKLY_2", "WEEKLY_3", "WEEKLY_5", "BIWEEKLY", "MONTHLY", "MONTHLY_2", "MONTHLY_3", "BIMONTHLY",
        "QUARTERLY", "ANNUAL", "ANNUAL_2", "ANNUAL_3", "BIENNIAL", "TRIENNIAL", "QUADRENNIAL", "QUINQUENNIAL",
        "DECENNIAL", "BIDECENNIAL", "TRIDECENNIAL", "CONT", "UPDATE_CONT", "AS_NEEDED", "NOT_PLANNED", "IRREG",
        "NEVER", "OTHER", "UNKNOWN",
    ],
    Field(title="EU frequency code"),
]  # fmt: skip
Status = Annotated[Literal["proposed", "draft", "active", "deprecated", "retired"], Field(title="product status")]
Language = Annotated[Literal["nb", "nn", "no", "en", "se", "sv", "da"], Field(title="language code")]
LANGUAGES = {"nb": "NOB", "nn": "NNO", "no": "NOR", "en": "ENG", "se": "SME", "sv": "SWE", "da": "DAN"}  # EU codes
LICENSES = {  # of the EU licence vocabulary; any other license is stated by name and uri
    "NLOD_2_0": "Norwegian Licence for Open Government Data 2.0",
    "NLOD_1_0": "Norwegian Licence for Open Government Data 1.0",
    "CC_BY_4_0": "Creative Commons Attribution 4.0 International",
    "CC_BYSA_4_0": "Creative Commons Attribution-ShareAlike 4.0 International",
    "CC0": "Creative Commons CC0 1.0 Universal",
    "ODC_BL": "Open Data Commons Open Database License 1.0",
}


def _organization_number(number: str) -> str:
    weights = (3, 2, 7, 6, 5, 4, 3, 2, 1)
    if sum(int(digit) * weight for digit, weight in zip(number, weights, strict=True)) % 11:
        raise ValueError("has a wrong check digit (modulus 11)")
    return number


def _day(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise PydanticCustomError("date", "wrong form")  # pydantic would read a number as seconds since 1970
    return value


def _each_once(values: tuple[T, ...]) -> tuple[T, ...]:
    first: dict[T, int] = {}
    for position, value in enumerate(values):
        if first.setdefault(value, position) != position:
            raise PydanticCustomError("twice", "{value} is listed twice", {"value": _shown(value), "at": (position,)})
    return values


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Line = Annotated[Text, Field(pattern=r"^[^\r\n]+$", title="text on one line")]
Slug = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", title="name of a-z, 0-9 and _ that begins with a letter")]
Url = Annotated[str, Field(pattern=r'^https?://[^\s/@?#"<>\\]+([/?#][^\s"<>\\]*)?$', title="address (http or https)")]
Email = Annotated[str, Field(pattern=r"^[\w.+-]+@[\w-]+(\.[\w-]+)+$", title="e-mail address")]
Channel = Annotated[str, Field(pattern=r"^#?[a-z0-9æøå_-]{1,80}$", title="Slack channel such as '#team-register'")]
Place = Annotated[str, Field(pattern=r'^([A-Z]{3}|https?://[^\s"<>\\]+)$', title="three-letter country code or URI")]
Version = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){1,2}$", title="version such as 1.10 or 1.10.0")]
OrganizationNumber = Annotated[
    str, Field(pattern=r"^[89][0-9]{8}$", title="Norwegian organization number"), AfterValidator(_organization_number)
]
Day = Annotated[date, Field(title="date, written YYYY-MM-DD"), BeforeValidator(_day)]
Each = Annotated[tuple[T, ...], AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True})]


def _fact(description: str, *nav: str, **settings: Any) -> Any:  # noqa: ANN401 - as pydantic.Field
    """A field with its description and the fields of NAV's it answers; required unless `settings` has a `default`."""
    extra: JsonSchemaValue = {"x-nav-register": list(nav)} if nav else {}
    return Field(description=description, json_schema_extra=extra, **settings)


class _Facts(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class Localized(_Facts):
    """A text by language; Norwegian bokmål is always there."""

    nb: Text = _fact("Norwegian bokmål.")
    nn: Text | None = _fact("Norwegian nynorsk.", default=None)
    en: Text | None = _fact("English.", default=None)

    def best(self, *languages: str) -> str:
        """The text in the first of `languages` there is one for, else in bokmål."""
        texts = {"nb": self.nb, "nn": self.nn, "en": self.en}
        return next((text for text in map(texts.get, languages) if text), self.nb)


class Contact(_Facts):
    """Where a question is answered: a mailbox that is read, rather than one person's."""

    name: Line = _fact("Who answers.", "contactPoint.name")
    email: Email = _fact("Their mailbox.", "contactPoint.email", "owner.teamContact")
    slack: Channel | None = _fact("Their Slack channel, in quotes because of the #.", default=None)
    url: Url | None = _fact("Their page.", "owner.teamkatalogenURL", default=None)


class Organization(_Facts):
    """An organization, as Enhetsregisteret knows it."""

    name: Line = _fact("Its name.")
    organization_number: OrganizationNumber = _fact("Nine digits, in quotes.")
    url: Url | None = _fact("Its page.", default=None)


class PersonalDataFacts(_Facts):
    """What personal data the product holds, as its producer has assessed it."""

    class_: PersonalDataClass = _fact("The gravest in any dataset; columns state their own.", "pii", alias="class")
    also: Each[PersonalDataClass] = _fact("The other classes it holds.", default=())
    reason: Text | None = _fact("The assessment; `none` requires it.", default=None, validate_default=True)
    method: Text | None = _fact(
        "The anonymization; `anonymized` requires it.", "anonymisationDescription", default=None, validate_default=True
    )

    @pydantic.field_validator("reason", "method")
    @classmethod
    def _stated(cls, value: str | None, info: ValidationInfo) -> str | None:
        requiring = {"reason": PersonalData.NONE, "method": PersonalData.ANONYMIZED}[str(info.field_name)]
        if value is None and info.data.get("class_") is requiring:
            raise PydanticCustomError("stated", "is missing; the class '{c}' needs it", {"c": requiring.value})
        return value

    @pydantic.field_validator("also")
    @classmethod
    def _consistent(cls, also: tuple[PersonalData, ...], info: ValidationInfo) -> tuple[PersonalData, ...]:
        if also and not info.data.get("class_", also[0]).is_sensitive:
            raise ValueError(f"cannot stand beside the class '{info.data['class_']}'")
        return also


class Access(_Facts):
    """Who may read and who may ask to; only the owning team unless said otherwise."""

    level: Annotated[AccessLevel, Field(title="access level")] = _fact(
        "How wide the data is open.", "accessRights", default=AccessLevel.RESTRICTED
    )
    can_read: Each[Line] = _fact("Groups that may read, besides the team.", "accessGroups.canRead", default=())
    can_request: Each[Line] = _fact("Groups that may ask to read.", "accessGroups.canRequest", default=())

    def refusal(self, *classes: PersonalData) -> tuple[str, str] | None:
        """The field that opens data of these classes too wide and why, as a sentence; None where the access is lawful.

        NAV's rule: open to all only without personal data (`docs/dataprodukter/tilgangsstyring.md`).
        """
        sensitive = next((one for one in classes if one.is_sensitive), None)
        if sensitive is None:
            return None
        what = f"data of class '{sensitive}'"
        if self.level is not AccessLevel.RESTRICTED:
            return "level", f"'{self.level}' is refused for {what}; allowed is 'restricted', with groups in can_read"
        if any(re.match(r"(?i)(group:)?all[-_]?(authenticated[-_]?)?users(@|$)", group) for group in self.can_read):
            return "can_read", f"a group of all users is refused for {what}; name the groups that need it"
        return None


class License(_Facts):
    """A license: a code of `LICENSES`, or any other by name and uri."""

    name: Line = _fact("Its name.", "license.name")
    uri: Url = _fact("Where it can be read.", "license.uri")

    @pydantic.model_validator(mode="before")
    @classmethod
    def _from_code(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value not in LICENSES:
            raise PydanticCustomError("enum", "unknown code")
        return {"name": LICENSES[value], "uri": f"{EU_AUTHORITY}licence/{value}"}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: pydantic.GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        code = {"type": "string", "title": "EU licence code", "enum": list(LICENSES)}
        return {"anyOf": [handler.resolve_ref_schema(handler(schema)), code]}


class Period(_Facts):
    """The days the data is about, first and last included; it still goes on where `to` is left out."""

    from_: Day = _fact("First day.", "temporal.from", alias="from")
    to: Day | None = _fact("Last day.", "temporal.to", default=None)

    @pydantic.field_validator("to")
    @classmethod
    def _not_before_from(cls, value: date | None, info: ValidationInfo) -> date | None:
        if value and value < info.data.get("from_", value):
            raise ValueError(f"is before 'from', {info.data['from_']}")
        return value


class Source(_Facts):
    """A system the data comes from."""

    name: Line = _fact("Its name.")
    owner: Line | None = _fact("Who runs it.", default=None)
    description: Text | None = _fact("What is taken from it.", default=None)
    url: Url | None = _fact("Its documentation.", default=None)


class Link(_Facts):
    """Something built on the product, or written about it."""

    title: Line = _fact("What is found there.")
    url: Url = _fact("Its address.")
    kind: Annotated[Literal["dashboard", "documentation", "notebook", "story"], Field(title="kind of link")] = _fact(
        "What sort of thing it is.", default="documentation"
    )


class ProductFacts(_Facts):
    """Who publishes a data product, what it is, why, and under which terms."""

    name: Slug = _fact("Its name, that of its folder; the first part of every asset key.", "name", "id", "slug")
    title: Localized = _fact("Its title, by language.", "title")
    description: Localized = _fact("What it is, for somebody new to it, by language; markdown.", "description")
    readme: Text | None = _fact("The long description; markdown.", "readme", "long_description", default=None)
    status: Status = _fact("How far it has come.", "content.status", default="draft")
    version: Version | None = _fact("The version of the product as a whole.", "versionInfo", default=None)
    team: Line = _fact("The team that owns and deploys it.", "team", "owner.group", "teamName")
    product_area: Line | None = _fact("The area the team belongs to.", "productAreaName", default=None)
    contact: Contact = _fact("Where questions are answered.", "contactPoint")
    slack: Channel | None = _fact("Its Slack channel, in quotes because of the #.", "slack", default=None)
    personal_data: PersonalDataFacts = _fact("What personal data it holds.", "pii")
    access: Access = _fact("Who may read it.", "accessRights", "accessGroups", default=Access())
    legal_basis: Text | None = _fact("The registered processing or ground it rests on.", "polly", default=None)
    legislation: Each[Url] = _fact("The acts that govern it.", default=())
    purpose: Text | None = _fact("Why it exists.", default=None)
    usage: Text | None = _fact("How to use it.", default=None)
    limitations: Text | None = _fact("What it cannot tell and must not be used for.", default=None)
    license: License = _fact("The license of the data.", "license")
    rights: Text | None = _fact("Copyright or another statement of rights.", "rights", default=None)
    publisher: Organization = _fact("The organization that makes it available.", "publisher")
    creator: Organization | None = _fact("The organization that first made the data.", "creator", default=None)
    author: Line | None = _fact("Who wrote it, where not the team.", "author", default=None)
    provenance: Text | None = _fact("How the data came about.", "provenance", default=None)
    sources: tuple[Source, ...] = _fact("The systems the data comes from.", "sources", default=())
    themes: Each[Theme] = _fact("EU data themes, at least one.", "theme", min_length=1)
    keywords: Each[Line] = _fact("Words people search for.", "keyword", default=())
    periodicity: Periodicity = _fact("How often it is updated.", "periodicity", "accrualPeriodicity")
    temporal: Period | None = _fact("The period the data is about.", "temporal", default=None)
    spatial: Each[Place] = _fact("The places the data is about.", "spatial", default=())
    language: Each[Language] = _fact("The languages of the data.", "language", default=())
    issued: Day | None = _fact("When it was first published.", "issued", default=None)
    modified: Day | None = _fact("When these facts last changed.", "modified", default=None)
    repository: Url | None = _fact("Where its code is.", "repo", default=None)
    links: tuple[Link, ...] = _fact("Dashboards, stories and documentation.", "metabaseUrl", "notebook", default=())

    @pydantic.field_validator("access")
    @classmethod
    def _lawful(cls, access: Access, info: ValidationInfo) -> Access:
        personal: PersonalDataFacts | None = info.data.get("personal_data")
        if personal and (refused := access.refusal(personal.class_, *personal.also)):
            raise PydanticCustomError("refused", "{why}", {"why": refused[1], "at": (refused[0],)})
        return access


class _Schema(GenerateJsonSchema):
    """As pydantic's, without the titles it makes up and without null: a fact not stated is left out."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        return {key: value for key, value in made.items() if (key, value) != ("default", None)}


@functools.cache
def product_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `product.yaml`: for editors, and for what our own messages say is allowed."""
    return {"$schema": _Schema.schema_dialect} | ProductFacts.model_json_schema(schema_generator=_Schema)


def load_facts(path: Path) -> ProductFacts:
    """Read a `product.yaml`; raises DeclarationError with a line per fault: `file:line: field: what is wrong`."""
    document, folder, facts = _Document(), path.parent.resolve().name, None
    text = _text(path)
    try:
        tree = document.read(text)
        if isinstance(tree, dict) and re.fullmatch("[a-z][a-z0-9_]*", name := str(tree.get("name"))) and name != folder:
            document.refuse(("name",), f"'{name}' is not the name of its folder, '{folder}'; rename one of them")
        facts = ProductFacts.model_validate(tree)
    except yaml.YAMLError as error:
        document.refuse_syntax(error, text)
    except pydantic.ValidationError as invalid:
        faults = [fault for fault in invalid.errors(include_url=False) if not document.explains(fault["loc"])]
        # pydantic calls a list too short where its items are wrong: only the items are told of
        within = {fault["loc"][:-1] for fault in faults if fault["loc"]}
        for fault in faults:
            if fault["loc"] not in within:
                document.refuse((*fault["loc"], *fault.get("ctx", {}).get("at", ())), fault)
    if facts is None or document.faults:
        raise document.error(path)
    return facts


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DeclarationError(f"{path}: cannot be read ({error.strerror}); a product needs its facts") from error
    if len(content) > LARGEST_FILE:
        raise DeclarationError(f"{path}: is larger than {LARGEST_FILE // 1024} kB; it holds facts about data, not data")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DeclarationError(f"{path}:{line}: is not UTF-8 text; save the file as UTF-8") from error
    if control := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise DeclarationError(f"{path}:{line}: holds the control character {control[0]!r}; delete it")
    return text


class _Document:
    """One YAML document as plain text, the line of each value, and the faults found so far.

    Built from parser events: scalars stay as written (YAML 1.1 would turn no, 1.10 and 2024-01-01 into something else),
    and neither nesting nor aliases can exhaust anything.
    """

    def __init__(self) -> None:
        self.faults: list[tuple[int, _At, str | ErrorDetails]] = []
        self._lines: dict[_At, int] = {}
        self._refused: set[_At] = set()
        self._events: Iterator[Any] = iter(())

    def explains(self, at: _At) -> bool:
        """Whether a fault has been found there already."""
        return any(at[:end] in self._refused for end in range(len(at) + 1))

    def refuse(self, at: _At, fault: str | ErrorDetails, line: int | None = None) -> None:
        """Note a fault on `line`, else where the value stands, else where what it is missing from stands."""
        ends = range(len(at), -1, -1)
        self._refused.add(at)
        self.faults.append((line or next((self._lines[at[:e]] for e in ends if at[:e] in self._lines), 1), at, fault))

    def refuse_syntax(self, error: yaml.YAMLError, text: str) -> None:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        line = mark.line if mark else 0
        tab = "\t" in "".join(text.splitlines()[line : line + 1])
        self.refuse((), f"is not valid YAML: {problem}{'; indent with spaces, not tabs' if tab else ''}", line + 1)

    def error(self, path: Path) -> DeclarationError:
        faults = sorted(self.faults, key=lambda fault: fault[0])
        shown = ((line, _field(at), f if isinstance(f, str) else _sentence(f)) for line, at, f in faults[:_MOST_FAULTS])
        lines = [f"{path}:{line}: {field}{': ' if field else ''}{sentence}" for line, field, sentence in shown]
        more = [f"{path}: and {len(faults) - _MOST_FAULTS} more faults"] if len(faults) > _MOST_FAULTS else []
        return DeclarationError("\n".join(lines + more))

    def read(self, text: str) -> object:
        """The document's value: text, lists and mappings with text keys."""
        self._events = yaml.parse(text, Loader=_LOADER)
        next(self._events)
        if isinstance(next(self._events), yaml.StreamEndEvent):
            self.refuse((), "is empty; state at least the name")
            return None
        tree = self._value(next(self._events), ())
        next(self._events)
        following: Any = next(self._events)
        if not isinstance(following, yaml.StreamEndEvent):
            self.refuse((), "a second document begins; keep one product in a file", following.start_mark.line + 1)
        return tree

    def _value(self, event: Any, at: _At) -> object:  # noqa: ANN401 - libyaml's events share no typed base
        self._lines.setdefault(at, event.start_mark.line + 1)
        if getattr(event, "anchor", None):
            self.refuse(at, "anchors and aliases are not used here; write the value out")
        elif getattr(event, "tag", None):
            self.refuse(at, "tags are not used here; leave out the word that begins with !")
        if len(at) > _DEEPEST:
            raise yaml.MarkedYAMLError(problem="it is nested too deep", problem_mark=event.start_mark)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(at)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[object] = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                items.append(self._value(event, (*at, len(items))))
            return items
        value = getattr(event, "value", None)
        if isinstance(event, yaml.ScalarEvent) and not event.style and value in ("", "~", "null", "Null", "NULL"):
            self.refuse(at, "is empty; leave the field out, and put text that begins with # in quotes")
        return value

    def _mapping(self, at: _At) -> dict[str, object]:
        values: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            key = getattr(event, "value", None)
            if not isinstance(key, str) or getattr(event, "anchor", None) or getattr(event, "tag", None):
                self._value(event, (*at, "?"))
                self.refuse((*at, "?"), "a field's name is one plain word", line)
                key = "?"
            elif key in values:
                first = self._lines[(*at, key)]
                self.faults.append((line, (*at, key), f"is stated twice, first on line {first}; keep one"))
            self._lines.setdefault((*at, key), line)
            value = self._value(next(self._events), (*at, key))
            values.setdefault(key, value)
        return values


def _field(at: _At) -> str:
    """`themes[0]`, `contact.email`; a key that is no word is quoted."""
    words = (step if isinstance(step, int) or re.fullmatch(r"\w{1,60}", step) else _shown(step) for step in at)
    return "".join(f"[{word}]" if isinstance(word, int) else f".{word}" for word in words).lstrip(".")


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "...")


def _form(value: object) -> str:
    return "a list" if isinstance(value, list) else "a mapping of fields" if isinstance(value, dict) else "text"


def _declared(at: _At) -> dict[str, Any]:
    """What the JSON Schema says of the value there."""

    def merged(part: dict[str, Any]) -> dict[str, Any]:
        whole: dict[str, Any] = {}
        for option in part.get("anyOf", []):
            whole |= merged(option)
        if "$ref" in part:
            whole |= merged(product_schema()["$defs"][part["$ref"].rpartition("/")[2]])
        return whole | part

    here = merged(product_schema())
    for step in at:
        here = merged(here.get("items", {}) if isinstance(step, int) else here.get("properties", {}).get(step, {}))
    return here


def _did_you_mean(given: str, known: dict[str, str]) -> str:
    """The nearest of `known` (spelling in lower case -> what to suggest), as the end of a clause."""
    near = difflib.get_close_matches(given[:_LONGEST_SHOWN].lower(), known, n=1)
    return f"; did you mean '{known[near[0]]}'?" if near else "."


def _sentence(error: ErrorDetails) -> str:
    """What is wrong and what is allowed, from one of pydantic's errors and the JSON Schema."""
    kind, at, given = error["type"], error["loc"], error["input"]
    if kind in ("stated", "twice", "refused"):
        return error["msg"]
    if kind == "missing":
        return f"is missing: {_declared(at)['description']}"
    if kind == "extra_forbidden":
        fields = _declared(at[:-1])["properties"]
        known = {nav.lower(): name for name, field in fields.items() for nav in field.get("x-nav-register", [])}
        near = _did_you_mean(str(at[-1]), known | {name.lower(): name for name in fields})
        return f"unknown field{near} Allowed: {', '.join(fields)}."
    declared = _declared(at)
    forms = {"enum": "text", "items": "a list", "properties": "a mapping of fields"}
    wanted = [form for key, form in forms.items() if key in declared] or ["text"]
    if _form(given) not in wanted:
        how = "; begin each item with '- '" if "items" in declared else ""
        return f"must be {' or '.join(wanted)}, not {_form(given)}{how}"
    if kind.endswith("too_short"):
        return "must not be empty"
    if kind == "value_error":
        return f"{', '.join(map(_shown, given)) if isinstance(given, list) else _shown(given)} {error['ctx']['error']}"
    noun = declared.get("title", "text")
    wrong = f"{_shown(given)} is not {'an' if noun[0] in 'aeioE' else 'a'} {noun}"
    if "enum" in declared:
        near = _did_you_mean(str(given), {code.lower(): code for code in declared["enum"]})
        return f"{wrong}{near} Allowed: {', '.join(declared['enum'])}."
    return wrong


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(product_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
