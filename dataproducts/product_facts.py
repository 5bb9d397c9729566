"""The facts a product states about itself: the model of `product.yaml` and its JSON Schema.

`x-nav-register` in the schema names the fields of NAV's "register metadata" contract and of its marketplace that a
fact answers. What follows from code or a materialization (datasets, type, uri, columns, lineage) is not stated here.
"""

from __future__ import annotations

import functools
import json
import re
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import available_timezones

import pydantic
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dataproducts import cron

RUNTIME, PODS = "dataproducts/runtime", "dataproducts/pods"
"""Metadata of an asset: what its product's runs need, and whether its own run makes further pods."""
SCHEMA_FILE = Path(__file__).parent / "schemas" / "product.schema.json"
EU_AUTHORITY = "http://publications.europa.eu/resource/authority/"
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


def _cron_line(line: str) -> str:
    if (fault := cron.fault(line)) is not None:
        raise ValueError(fault)
    return line


def _time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("is no time zone; write one as Europe/Oslo")
    return name


def _day(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise PydanticCustomError("date", "wrong form")  # pydantic would read a number as seconds since 1970
    return value


def _no_address(value: object) -> object:
    if isinstance(value, str) and "/" in value:  # its text is not repeated: whoever has it may write
        raise PydanticCustomError("refused", "is an address, and a secret; keep it in an environment variable, and write that one's name")
    return value


def _each_once(values: tuple[T, ...]) -> tuple[T, ...]:
    first: dict[T, int] = {}
    for position, value in enumerate(values):
        if first.setdefault(value, position) != position:
            raise PydanticCustomError("twice", "{value} is listed twice", {"value": repr(value)[:60], "at": (position,)})
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
Cron = Annotated[str, Field(title="cron line"), AfterValidator(_cron_line)]
TimeZone = Annotated[str, Field(title="time zone"), AfterValidator(_time_zone)]
Cpu = Annotated[str, Field(pattern=r"^[1-9][0-9]*m?$", title="number of processors such as 2 or 500m (thousandths)")]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]*[KMG]i$", title="amount of memory such as 512Mi or 2Gi")]
Host = Annotated[
    str, Field(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+(:[1-9][0-9]{0,4})?$", title="host name")
]
Object = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", title="Kubernetes name of a-z, 0-9 and -")]
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$", title="label of Kubernetes")]
Variable = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$", title="environment variable")]
SecretVariable = Annotated[Variable, BeforeValidator(_no_address)]
Tries = Annotated[int, Field(ge=0, le=10, title="number from 0 to 10")]
Hours = Annotated[int, Field(ge=1, le=8_784, title="number of hours from 1 to 8784")]
Minutes = Annotated[int, Field(ge=1, le=10_080, title="number of minutes from 1 to 10080")]
Day = Annotated[date, Field(title="date, written YYYY-MM-DD"), BeforeValidator(_day)]
Each = Annotated[tuple[T, ...], AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True})]


def _fact(description: str, *nav: str, **settings: Any) -> Any:
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
    organization_number: OrganizationNumber | None = _fact("Nine digits, in quotes; of a Norwegian organization.", default=None)
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
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: pydantic.GetJsonSchemaHandler) -> JsonSchemaValue:
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


class Schedule(_Facts):
    """When datasets are made that neither have a schedule of their own nor follow from others."""

    cron: Cron = _fact("Minute, hour, day of the month, month and day of the week, in quotes.")
    time_zone: TimeZone = _fact("Whose clock it goes by.", default="Europe/Oslo")


class Resources(_Facts):
    """What one run takes of a cluster."""

    cpu: Cpu = _fact("Processors that are kept for it; it may use what is free beside.", default="200m")
    memory: Memory = _fact("Memory that is kept for it.", default="512Mi")
    memory_limit: Memory | None = _fact("Memory at which it is ended; twice what is kept where left out.", default=None)
    scratch: Memory = _fact("Room on disk for what is too large for memory.", default="2Gi")

    @pydantic.field_validator("memory_limit")
    @classmethod
    def _not_below(cls, limit: str | None, info: ValidationInfo) -> str | None:
        if limit is not None and kibibytes(limit) < kibibytes(info.data.get("memory", limit)):
            raise ValueError(f"is less than the memory kept for it, {info.data['memory']}")
        return limit

    @property
    def most_memory(self) -> str:
        """The memory at which it is ended."""
        return self.memory_limit or f"{2 * int(self.memory[:-2])}{self.memory[-2:]}"


def kibibytes(memory: str) -> int:
    """An amount such as 512Mi as a number."""
    return int(memory[:-2]) * int(1024 ** "KMG".index(memory[-2]))


class Setting(_Facts):
    """An environment variable."""

    name: Variable = _fact("Its name.")
    value: Line = _fact("Its value.")


class NodeLabel(_Facts):
    """A label of a cluster's node."""

    name: Label = _fact("Its name.")
    value: Label = _fact("Its value.")


class Runtime(_Facts):
    """What the product needs where it runs: what its manifests say, and its runs on a cluster."""

    schedule: Schedule | None = _fact("When its datasets are made, where the code does not say.", default=None)
    resources: Resources = _fact("What one run takes of the cluster.", default_factory=Resources)
    egress: Each[Host] = _fact("Hosts it fetches from, with the port where it is not 443; all else is closed.", default=())
    secrets: Each[Object] = _fact("Secrets of the namespace whose entries become environment variables.", default=())
    environment: tuple[Setting, ...] = _fact("Further environment variables; nothing secret.", default=())
    retries: Tries = _fact("How often a run is tried again that the cluster has ended.", default=1)
    deadline_minutes: Minutes = _fact("Minutes after which a run is ended.", default=360)
    service_account: Object | None = _fact("Who it is to the cluster and its cloud; the team's own on nais.", default=None)
    node_labels: tuple[NodeLabel, ...] = _fact("Labels that a node has to have for it to run there.", default=())
    isolate: Annotated[Literal["run", "steps"], Field(title="size of what has a pod of its own")] = _fact(
        "What has a pod of its own where Dagster runs on Kubernetes: a run, or for heavy datasets each of its steps.", default="run"
    )

    def published(self) -> dict[str, Any]:
        """What the code location shows of it, for those that start runs and do not load the code: what is not as by default."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"schedule"})


class Trouble(StrEnum):
    """What a team may be told of."""

    RUN_FAILED = "run_failed"
    CHECK_FAILED = "check_failed"
    CHECK_WARNED = "check_warned"
    STALE = "stale"  # older than the dataset's freshness
    SILENT = "silent"  # not made for longer than its schedule ever pauses, or than silent_hours
    DEAD_LETTERS = "dead_letters"
    RECONCILIATION = "reconciliation"


TroubleKind = Annotated[Trouble, Field(title="kind of trouble")]


class Alerts(_Facts):
    """Who is told when something goes wrong, of what, and how often."""

    slack_webhook: SecretVariable | None = _fact(
        "Environment variable with the address of a Slack webhook; the address is a secret.", default=None
    )
    email: Each[Email] = _fact("Who gets mail.", default=(), validate_default=True)
    kinds: Each[TroubleKind] = _fact(
        "What is told; all but check_warned where left out.", default=tuple(one for one in Trouble if one is not Trouble.CHECK_WARNED)
    )
    silent_hours: Hours | None = _fact(
        "Hours after which what has a schedule or a source, and no freshness, is missed; by default what the schedules say.", default=None
    )
    remind_hours: Hours = _fact("Hours after which what still goes wrong is told again.", default=24)

    @pydantic.field_validator("email")
    @classmethod
    def _somebody(cls, email: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not email and info.data.get("slack_webhook", "faulty") is None:
            raise PydanticCustomError("stated", "is missing; state it, slack_webhook or both")
        return email


class Link(_Facts):
    """Something built on the product, or written about it."""

    title: Line = _fact("What is found there.")
    url: Url = _fact("Its address.")
    kind: Annotated[Literal["dashboard", "documentation", "notebook", "story"], Field(title="kind of link")] = _fact(
        "What sort of thing it is.", default="documentation"
    )


class Concept(_Facts):
    """A term of the product's glossary (SKOS); a column says with `concept=` that it holds values of one."""

    name: Slug = _fact("Its name within the product, for `concept=` and `broader`.")
    label: Localized = _fact("The term, by language.")
    definition: Localized = _fact("What it means here, by language.")
    see: Url | None = _fact("Where the meaning is decided.", default=None)
    broader: Each[Slug] = _fact("The wider concepts it is one of, by name.", default=())


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
    concepts: tuple[Concept, ...] = _fact("The product's glossary.", default=())
    runtime: Runtime = _fact("What it needs where it runs.", default_factory=Runtime)
    alerts: Alerts | None = _fact("Who is told when something goes wrong.", default=None)

    @pydantic.field_validator("concepts")
    @classmethod
    def _one_glossary(cls, concepts: tuple[Concept, ...]) -> tuple[Concept, ...]:
        names = [concept.name for concept in concepts]
        for at, concept in enumerate(concepts):
            if concept.name in names[:at]:
                raise PydanticCustomError("twice", "'{name}' is defined twice", {"name": concept.name, "at": (at, "name")})
            for number, name in enumerate(concept.broader):
                if name not in names or name == concept.name:
                    said = {"name": name, "at": (at, "broader", number)}
                    raise PydanticCustomError("refused", "'{name}' is not another concept of the product", said)
        return concepts

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


if __name__ == "__main__":
    SCHEMA_FILE.write_text(json.dumps(product_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
