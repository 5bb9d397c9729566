"""What is published about products and datasets: the messages between a code location and a catalog, and their limits.

A message says what was seen and when; it never says what to change. So a catalog comes to the same state whatever order, and
however often, the messages arrive in.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, Protocol

import pydantic
from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, TypeAdapter

from dataproducts.product_facts import Concept, ProductFacts

__all__ = [
    "Arrival",
    "CheckResult",
    "ColumnFacts",
    "ColumnFigures",
    "Concept",
    "ContractFacts",
    "DatasetBody",
    "Definition",
    "Delivery",
    "Example",
    "ExampleOutput",
    "Failure",
    "Message",
    "PortFacts",
    "PortProof",
    "ProductBody",
    "Proof",
    "Receipt",
    "RuleFacts",
    "Target",
    "parse",
]

MAX_BODY = 1_000_000
"""Bytes of one message as JSON."""
MAX_COLUMNS, MAX_BATCH, MAX_DEPTH = 2_000, 500, 20
_NAMESPACE = uuid.UUID("6f0d0f5e-6c0b-5b51-9f0e-3f0f2f6a7f10")


_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def _no_controls(text: str) -> str:
    if _CONTROLS.search(text):
        raise ValueError("holds a control character; take it out")
    return text


DatasetName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,99}/[a-z][a-z0-9_]{0,99}$")]
Location = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$")]
Subject = Annotated[
    str,
    StringConstraints(pattern=r"^(product:[a-z][a-z0-9_]*|dataset:[a-z][a-z0-9_]*/[a-z][a-z0-9_]*)$", max_length=210),
]
Key = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(_no_controls)]
"""A partition key, a column name, a run id: any text of a sensible length."""
Line = Annotated[str, StringConstraints(max_length=2_000), AfterValidator(_no_controls)]
Text = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_no_controls)]
Address = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\s<>\"]*$")]
Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]
"""An instant, kept in UTC."""
Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Fact(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")


class ExampleOutput(_Fact):
    """Something that an example showed. `content` is text, a table as JSON (`columns`, `numeric`, `rows`, `of`), or a PNG in Base64."""

    kind: Literal["text", "table", "image"]
    content: Annotated[str, StringConstraints(max_length=200_000), AfterValidator(_no_controls)]
    alt: Line = ""


class Example(_Fact):
    """An example of use: where it lies, what it showed when it last passed, and when and why it failed since."""

    name: Key
    title: Line
    language: Line = "python"
    source: Text = ""
    passed_at: Moment | None = None
    outputs: tuple[ExampleOutput, ...] = Field(default=(), max_length=20)
    failed_at: Moment | None = None
    problem: Line | None = None


class ProductBody(_Fact):
    """A product as its code location declares it: the facts of `product.yaml`, its glossary apart, and what lies beside it."""

    facts: ProductFacts
    concepts: tuple[Concept, ...] = Field(default=(), max_length=1_000)
    examples: tuple[Example, ...] = Field(default=(), max_length=200)


class RuleFacts(_Fact):
    """One rule of a contract; its name is that of the asset check."""

    name: Key
    kind: Line
    column: Key | None = None
    description: Line = ""
    severity: Literal["error", "warn"] = "error"


class ColumnFacts(_Fact):
    """One promised column. `type` is written as polars writes it: `String`, `List(String)`; `pseudonym` is the group of its pseudonyms."""

    name: Key
    type: Line
    nullable: bool
    description: Text = ""
    title: Line | None = None
    source: Line | None = None
    personal: Line | None = None
    pseudonym: Line | None = None
    not_personal: Line | None = None
    unit: Line | None = None
    time_zone: Line | None = None
    concept: Line | None = None
    examples: tuple[Line, ...] = Field(default=(), max_length=20)

    @property
    def is_personal(self) -> bool:
        """Whether no value of it may be shown."""
        return self.personal not in (None, "none", "anonymized")


class ContractFacts(_Fact):
    """What a dataset promises: version, columns in order, key and rules."""

    version: Annotated[str, StringConstraints(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}$")]
    fingerprint: Line
    kind: Literal["table", "snapshot", "history"]
    columns: tuple[ColumnFacts, ...] = Field(min_length=1, max_length=MAX_COLUMNS)
    key: tuple[Key, ...] = ()
    rules: tuple[RuleFacts, ...] = Field(default=(), max_length=10_000)


class PartitionFacts(_Fact):
    """How a dataset is divided. `kind` is daily, hourly, weekly, monthly, time, static, multi, dynamic or none."""

    kind: Literal["daily", "hourly", "weekly", "monthly", "time", "static", "multi", "dynamic", "none"] = "none"
    start: Moment | None = None
    time_zone: Line | None = None
    cron: Line | None = None
    keys: tuple[Key, ...] = Field(default=(), max_length=2_000)


class PortFacts(_Fact):
    """A place where the data can be had. `address` is what a reader uses there: a table, a topic, a path."""

    name: Key
    kind: Literal["lake", "bigquery", "kafka", "file"]
    address: Line
    title: Line = ""
    facts: dict[Line, Line] = Field(default_factory=dict, max_length=50)


class SourceFacts(_Fact):
    """The system outside the graph that a dataset's rows come from."""

    name: Key
    description: Text = ""
    url: Address | None = None


class ColumnOrigin(_Fact):
    """A column that another follows from. `subject` is a dataset's name or `source:<product>/<name>`."""

    subject: Key
    column: Key


class DatasetBody(_Fact):
    """A dataset as its code location declares it."""

    name: DatasetName
    title: Line
    description: Text = ""
    contract: ContractFacts
    partitions: PartitionFacts = PartitionFacts()
    access: Line
    personal: Line
    personal_reason: Text | None = None
    freshness_seconds: Count | None = None
    schedule: Line | None = None
    time_zone: Line = "UTC"
    kinds: tuple[Line, ...] = ()
    tags: dict[Line, Line] = Field(default_factory=dict, max_length=100)
    upstream: tuple[DatasetName, ...] = Field(default=(), max_length=5_000)
    source: SourceFacts | None = None
    column_lineage: dict[Key, tuple[ColumnOrigin, ...]] = Field(default_factory=dict, max_length=MAX_COLUMNS)
    checks: dict[Key, Line] = Field(default_factory=dict, max_length=10_000)
    ports: tuple[PortFacts, ...] = Field(default=(), max_length=50)
    quarantine_share: float | None = None
    examples: tuple[Example, ...] = Field(default=(), max_length=200)
    asset: Line = ""
    """The asset's page in Dagster, below its base address: `assets/product/dataset`."""


class _Message(_Fact):
    location: Location
    """The code location that says so."""

    @property
    def key(self) -> str:
        """What makes the message itself: sent twice it is one."""
        identity = self.model_dump(mode="json", include=set(self._identity()))  # type: ignore[attr-defined]
        return str(uuid.uuid5(_NAMESPACE, json.dumps(identity, sort_keys=True, ensure_ascii=False)))

    @property
    def digest(self) -> str:
        """SHA-256 of the whole message in canonical JSON."""
        return digest(self.model_dump(mode="json"))


class Definition(_Message):
    """A product or dataset as declared at a moment; without a body it is no longer declared.

    `subject` is `product:<name>` or `dataset:<product>/<name>`.
    """

    type: Literal["definition"] = "definition"
    subject: Subject
    observed_at: Moment
    product: ProductBody | None = None
    dataset: DatasetBody | None = None

    @pydantic.model_validator(mode="after")
    def _about_its_subject(self) -> Definition:
        kind, name = self.subject.split(":", 1)
        if self.product is not None and (kind, name) != ("product", self.product.facts.name):
            raise ValueError(f"the body is of product {self.product.facts.name!r}, and the subject is {self.subject!r}")
        if self.dataset is not None and (kind, name) != ("dataset", self.dataset.name):
            raise ValueError(f"the body is of dataset {self.dataset.name!r}, and the subject is {self.subject!r}")
        return self

    @property
    def body(self) -> ProductBody | DatasetBody | None:
        """What is declared; None where it is gone."""
        return self.product or self.dataset

    def _identity(self) -> Sequence[str]:
        return "type", "location", "subject", "observed_at"


class ColumnFigures(_Fact):
    """The profile of one column of one version. Personal columns have only `nulls`."""

    name: Key
    nulls: Count
    distinct: Count | None = None
    smallest: Line | None = None
    largest: Line | None = None
    frequent: tuple[tuple[Line, Count], ...] = Field(default=(), max_length=20)


class Delivery(_Message):
    """A materialization of one partition. `number` is the version it made, or found unchanged. `run` is `-` where none did."""

    type: Literal["delivery"] = "delivery"
    dataset: DatasetName
    partition: Key
    number: Count
    at: Moment
    storage_id: Count
    run: Key
    known_at: Moment
    contract: Line
    rows: Count
    content_hash: Line
    unchanged: bool = False
    received: Count | None = None
    refused: Count = 0
    inputs: dict[DatasetName, tuple[tuple[Key, Count], ...]] = Field(default_factory=dict, max_length=500)
    profile: tuple[ColumnFigures, ...] = Field(default=(), max_length=MAX_COLUMNS)
    facts: dict[Key, Line] = Field(default_factory=dict, max_length=100)

    def _identity(self) -> Sequence[str]:
        return "type", "location", "dataset", "partition", "run", "at", "storage_id"


class Arrival(_Message):
    """A version that has arrived at a port of its dataset, as a materialization of the port says; `facts` are the port's own."""

    type: Literal["arrival"] = "arrival"
    dataset: DatasetName
    port: Key
    partition: Key
    number: Count
    at: Moment
    storage_id: Count
    run: Key
    rows: Count
    content_hash: Line
    facts: dict[Key, Line] = Field(default_factory=dict, max_length=100)

    def _identity(self) -> Sequence[str]:
        return "type", "location", "dataset", "port", "partition", "number", "run", "at", "storage_id"


class CheckResult(_Message):
    """What one check of one run found. `partitions` says in words which partitions it is about."""

    type: Literal["check"] = "check"
    dataset: DatasetName
    check: Key
    passed: bool
    severity: Literal["error", "warn"]
    at: Moment
    storage_id: Count
    run: Key
    partitions: Line = ""
    description: Line = ""
    facts: dict[Key, Line] = Field(default_factory=dict, max_length=100)

    def _identity(self) -> Sequence[str]:
        return "type", "location", "dataset", "check", "run", "at", "storage_id"


class Failure(_Message):
    """A run that did not store what it was asked to, or deliver it to a `port`: the error by partition, `-` for the whole dataset."""

    type: Literal["failure"] = "failure"
    dataset: DatasetName
    port: Key | None = None
    at: Moment
    storage_id: Count
    run: Key
    errors: dict[Key, Line] = Field(min_length=1, max_length=5_000)

    def _identity(self) -> Sequence[str]:
        return "type", "location", "dataset", "port", "run", "at", "storage_id"


class PortProof(_Fact):
    """A port held against its dataset: versions and rows that were compared, versions still to be delivered, and what differs."""

    dataset: DatasetName
    port: Key
    versions: Count
    rows: Count
    waiting: Count = 0
    differences: Count = 0
    problem: Line | None = None
    """Why it could not be compared."""


class Proof(_Message):
    """A reconciliation: what the instance has against what the catalog had at `at`.

    `behind`: partitions whose newest version the catalog does not have. `missing`: datasets it does not know. `dead`: messages given up.
    """

    type: Literal["proof"] = "proof"
    at: Moment
    compared: Count
    behind: Count
    missing: Count
    dead: Count = 0
    lag_seconds: float | None = None
    ports: tuple[PortProof, ...] = Field(default=(), max_length=10_000)
    details: tuple[Line, ...] = Field(default=(), max_length=100)

    def _identity(self) -> Sequence[str]:
        return "type", "location", "at"


Said = Definition | Delivery | Arrival | CheckResult | Failure | Proof
Message = Annotated[Said, Field(discriminator="type")]
_ANY: TypeAdapter[Any] = TypeAdapter(Message)


def parse(value: Any) -> Said:
    """A message from what JSON gave. Raises pydantic.ValidationError, whose errors name the fields."""
    message: Said = _ANY.validate_python(value)
    return message


def digest(value: Any) -> str:
    """SHA-256 of JSON in canonical form, 64 hex digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no place in a message")


class Receipt(_Fact):
    """What a catalog did with one message. `problem` says what is wrong with a refused one, or how one received before differs."""

    key: str
    status: Literal["stored", "already", "refused"]
    problem: str | None = None


class Target(Protocol):
    """Where messages go. Raises CatalogUnavailable where sending again later may help."""

    name: str

    def send(self, messages: Sequence[Said]) -> list[Receipt]:
        """Take the messages in; a receipt for each, in order."""

    def newest(self, location: str) -> dict[str, dict[str, tuple[int, str]]]:
        """By dataset and partition, number and content hash of the newest version known from a location. For reconciliation.

        A dataset that is declared and has no version yet is there with no partitions; one that is no longer declared is left out.
        """
