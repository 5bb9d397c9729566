"""What is registered by hand or script, for what no code location publishes: the "register metadata" contract of 2021, and its entries.

Where that contract contradicts itself both spellings are read; one is stored.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pydantic
import sqlalchemy as sa
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints

from dataproducts.catalog import indexing
from dataproducts.catalog import tables as t
from dataproducts.catalog.assertions import ABOUT, ANSWERED_BY, DERIVED_FROM, OWNED_BY, Asserted
from dataproducts.catalog.reading import Neighbor, Voices, neighbors, voices
from dataproducts.catalog.store import Store, Touched
from dataproducts.errors import Clash, UnknownDataset
from dataproducts.messages import Line, Text

TYPES = (
    "parquet", "bigquery", "datapackage", "api", "begrep", "godkjent_begrep", "tabell", "tableau", "kafka_topic", "purpose", "person",
    "team", "nais_team",
)  # fmt: skip
"""Types that the contract lists; any other is shown in the same general way."""
PREFIX = "register:"
"""Before the namespace of a token, it is the location that an entry belongs to."""


def _one_line(text: str) -> str:
    if re.search(r"[\r\n\t]", text):
        raise ValueError("is more than one line; write it on one")
    return text


def _name(text: str) -> str:
    if not re.fullmatch(r"\w([\w ./:+-]*[\w+-])?", text):
        raise ValueError("begins and ends with a letter or digit, and has letters, digits, spaces and . / : + - between")
    if any(part.strip(" ") in ("", ".", "..") for part in text.split("/")):
        raise ValueError("has an empty part between its slashes, or one that is only dots")
    return text


def _link(text: str) -> str:
    if not re.match(r"(?i)(https?://[^\s/?#@<>\"]|mailto:[^\s<>\"])", text) or re.search(r"[\s<>\"\\]", text):
        raise ValueError("is not an address; write it with http://, https:// or mailto:")
    return text


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _period(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = [part.strip() or None for part in value.split("/")]
    return {"from": parts[0], "to": parts[1]} if len(parts) == 2 else value


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _stamp(value: Any) -> Any:
    """A date or a time without a zone is UTC."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?", value):
        return f"{value}T00:00:00Z" if len(value) == 10 else f"{value}Z"
    return value


Name = Annotated[str, StringConstraints(max_length=200), AfterValidator(_name)]
Short = Annotated[Line, StringConstraints(min_length=1, max_length=500), AfterValidator(_one_line)]
Uri = Annotated[Line, StringConstraints(min_length=1), AfterValidator(_one_line)]
Url = Annotated[Line, AfterValidator(_link)]
Some = Annotated[tuple[Short, ...], Field(max_length=200), BeforeValidator(_listed)]
Access = Literal["restricted", "internal", "open"]


class _Stated(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class Temporal(_Stated):
    """The years or days that the data is about, first and last."""

    from_: Annotated[str | None, Field(alias="from", max_length=40, pattern=r"^\d{4}(-\d{2}(-\d{2})?)?([T ].*)?$")] = None
    to: Annotated[str | None, Field(max_length=40, pattern=r"^\d{4}(-\d{2}(-\d{2})?)?([T ].*)?$")] = None


class NamedLicense(_Stated):
    """A license."""

    name: Short | None = None
    uri: Url | None = None


class ContactPoint(_Stated):
    """Who answers questions."""

    name: Short | None = None
    email: Annotated[str | None, Field(pattern=r"^[^\s@<>\"]+@[^\s@<>\"]+\.[^\s@<>\"]+$", max_length=200)] = None


class AccessGroups(_Stated):
    """Who may read, and who may ask to."""

    can_read: Annotated[Some, Field(alias="canRead")] = ()
    can_request: Annotated[Some, Field(alias="canRequest")] = ()


class Table(_Stated):
    """A table of a product registered by hand. `address` is made of project, dataset and table."""

    gcp_project: Annotated[Short | None, Field(alias="gcpProject")] = None
    dataset: Short | None = None
    table: Short | None = None
    title: Short | None = None
    description: Text | None = None
    long_description: Text | None = None
    sources: Some = ()
    spatial: Short | None = None
    access_rights: Annotated[Access, Field(alias="accessRights")] = "internal"
    access_groups: Annotated[AccessGroups | None, Field(alias="accessGroups")] = None
    keyword: Some = ()

    @property
    def address(self) -> str:
        """As BigQuery writes it."""
        return ".".join(part for part in (self.gcp_project, self.dataset, self.table) if part)


Agent = Annotated[dict[Short, Short], Field(max_length=20)]


class Registration(_Stated):
    """What `PUT /api/v1/index` takes. `name`, `type` and `uri` are required; `id` and `format` are read as `name` and `type`."""

    name: Name
    type: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_æøåÆØÅ.-]{1,60}$")]
    uri: Uri
    access_rights: Annotated[Access, Field(alias="accessRights")] = "internal"
    pii: bool = False
    team: Short | None = None
    title: Short | None = None
    description: Text | None = None
    long_description: Text | None = None
    repo: Url | None = None
    slack: Short | None = None
    keyword: Some = ()
    theme: Some = ()
    temporal: Annotated[Temporal | None, BeforeValidator(_period)] = None
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}$")] = "NO"
    creator: Agent | None = None
    publisher: Agent = Field(default_factory=lambda: {"name": "NAV"})
    license: NamedLicense | None = None
    rights: Short | None = None
    provenance: Short = "NAV"
    periodicity: Short | None = None
    author: Short | None = None
    readme: Text | None = None
    spatial: Short | None = None
    contact_point: Annotated[ContactPoint | None, Field(alias="contactPoint"), BeforeValidator(_only)] = None
    modified: Annotated[AwareDatetime | None, BeforeValidator(_stamp)] = None
    issued: Annotated[AwareDatetime | None, BeforeValidator(_stamp)] = None
    datasets: tuple[Table, ...] = Field(default=(), max_length=200)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _spelled(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        given = dict(value)
        for other, own in (("id", "name"), ("format", "type")):
            if other in given and own not in given:
                given[own] = given.pop(other)
        return given

    def stored(self, now: datetime, held: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The entry as it is kept, with what was left out filled in. What `held` says already keeps its times."""
        body = self.model_dump(mode="json", exclude_none=True)
        year = str(now.year)
        body.setdefault("title", self.name)
        body.setdefault("temporal", {"from": year, "to": year})
        body.setdefault("rights", f"Copyright {year}, NAV")
        for table, kept in zip(self.datasets, body["datasets"], strict=True):
            kept["address"] = table.address
        given = {name: moment.astimezone(UTC).isoformat() for name in ("issued", "modified") if (moment := getattr(self, name))}
        before = held or {}
        own = {k: v for k, v in body.items() if k not in ("issued", "modified")}
        same = own == {k: v for k, v in before.items() if k not in ("issued", "modified")}
        times = {"issued": before.get("issued") or now.isoformat(), "modified": before["modified"] if same else now.isoformat()}
        return {**own, **times, **given}


@dataclass(frozen=True)
class EntryPage:
    """An entry as stored, its texts as safe HTML, who registered it, and what is near it."""

    name: str
    body: Mapping[str, Any]
    rendered: Mapping[str, str]
    location: str
    since: datetime
    changed: datetime
    tag: str  # changes with the content
    voices: Voices
    neighbors: tuple[Neighbor, ...]


def put(
    store: Store, registration: Registration, namespace: str, if_match: str | None = None, *, only_new: bool = False
) -> tuple[str, dict[str, Any], str]:
    """Register, or register anew; gives "created", "changed" or "unchanged", the entry, and the tag of its content.

    `if_match`: the tags that the entry may have now, as the header gives them; `only_new`: it may not be there yet.
    Raises Clash where the name is held by another namespace, by a product or by a dataset, Changed where the tag is another.
    """
    name, subject, location = registration.name, f"entry:{registration.name}", PREFIX + namespace
    with store.database.writing() as connection:
        now = _after(store.clock(), connection, subject)
        held = _held(connection, name, location)
        tag = held["definition_hash"] if held is not None else None
        _expect(if_match, tag)
        if only_new and held is not None:
            raise Changed(f"{name!r} is registered already, and If-None-Match asks that it is not")
        before = held["body"] if held is not None else None
        body = registration.stored(now, before)
        if before == body:
            return "unchanged", body, str(tag)
        tag = _define(store, connection, subject, now, location, body)
    return ("created" if before is None else "changed"), body, tag


def remove(store: Store, name: str, namespace: str, if_match: str | None = None) -> None:
    """Take an entry out: its history stays. Raises UnknownDataset where there is none, Clash where it is another's."""
    subject, location = f"entry:{name}", PREFIX + namespace
    with store.database.writing() as connection:
        now = _after(store.clock(), connection, subject)
        held = _held(connection, name, location)
        if held is None:
            raise UnknownDataset(f"nothing is registered as {name[:200]!r}")
        _expect(if_match, held["definition_hash"])
        _define(store, connection, subject, now, location, None)


class Changed(Clash):
    """Somebody else changed it in the meantime."""


def _expect(if_match: str | None, tag: str | None) -> None:
    if if_match is None:
        return
    named = [one.strip() for one in if_match[:4_000].split(",")]
    if tag is None or ("*" not in named and f'"{tag}"' not in named):
        raise Changed("the entry is not the one that If-Match names; read it again, and then change it")


def _after(now: datetime, connection: sa.Connection, subject: str) -> datetime:
    """The time of day, but never before what is known of the subject: a clock that is set back must not bring the past back."""
    last = connection.execute(sa.select(t.current.c.definition_at).where(t.current.c.subject == subject)).scalar()
    return now if last is None or now > last else t.instant(t.micros(last) + 1)


def _held(connection: sa.Connection, name: str, location: str) -> Mapping[Any, Any] | None:
    """The entry of this name that stands; None where there is none. One that was there before a product of its name stays its own."""
    c = t.current
    subjects = [f"{kind}:{name}" for kind in ("product", "dataset", "entry")]
    query = sa.select(c).where(c.c.subject.in_(subjects), c.c.body.is_not(None))
    by_kind = {row["kind"]: row for row in connection.execute(query).mappings()}
    entry = by_kind.pop("entry", None)
    if entry is None and by_kind:
        raise Clash(f"{name!r} is the name of a {next(iter(by_kind))} that a code location publishes; choose another name")
    if entry is not None and entry["location"] != location:
        raise Clash(f"{name!r} is registered by {entry['location'].removeprefix(PREFIX)!r}; choose another name, or ask them")
    return entry


def _define(store: Store, connection: sa.Connection, subject: str, at: datetime, location: str, body: Any) -> str:
    touched = Touched(subjects={subject})
    store.define(connection, subject, at, location, body, touched, lambda said: asserted(subject, said))
    indexing.index(connection, touched.subjects, at)
    if touched.feed:
        connection.execute(sa.insert(t.feed), touched.feed)
    return str(connection.execute(sa.select(t.current.c.definition_hash).where(t.current.c.subject == subject)).scalar_one())


def entry(connection: sa.Connection, name: str, as_of: datetime | None = None) -> EntryPage | None:
    """An entry as it is, or was; None where it is not registered. Four queries."""
    from dataproducts.catalog.rendering import rendered

    c, d, subject = t.current, t.definition, f"entry:{name}"
    first = sa.select(sa.func.min(d.c.at)).where(d.c.subject == subject).scalar_subquery()
    row = connection.execute(sa.select(c, sa.type_coerce(first, t.Instant).label("since")).where(c.c.subject == subject)).mappings().first()
    if row is None:
        return None
    held = {"body": row["body"], "hash": row["definition_hash"], "at": row["changed"], "location": row["location"]}
    if as_of is not None:
        then = sa.select(d).where(d.c.subject == subject, d.c.at <= as_of).order_by(d.c.at.desc(), d.c.hash.desc()).limit(1)
        held = dict(connection.execute(then).mappings().first() or {"body": None})
    if held["body"] is None:
        return None
    return EntryPage(
        name=name,
        body=held["body"],
        rendered=(row["rendered"] if as_of is None else rendered(subject, held["body"])) or {},
        location=held["location"],
        since=row["since"],
        changed=held["at"],
        tag=held["hash"],
        voices=voices(connection, subject, as_of),
        neighbors=neighbors(connection, subject, as_of),
    )


def asserted(subject: str, body: Mapping[str, Any] | None) -> Asserted:
    """What an entry says about the metadata graph."""
    graph = Asserted()
    if body is None:
        return graph
    name = subject.split(":", 1)[1]
    own = graph.node(
        "entry",
        name,
        body["title"],
        type=body["type"],
        uri=body["uri"],
        description=body.get("description"),
        access=body["accessRights"],
        personal=body["pii"] or None,
    )
    if team := body.get("team"):
        graph.edges.add((own, OWNED_BY, graph.node("team", team, team)))
    contact = body.get("contactPoint") or {}
    if contact.get("email"):
        person = graph.node("person", contact["email"], contact.get("name") or contact["email"], email=contact["email"])
        graph.edges.add((own, ANSWERED_BY, person))
    for kind, words in (("theme", body.get("theme") or ()), ("keyword", body.get("keyword") or ())):
        graph.edges.update((own, ABOUT, graph.node(kind, word, word)) for word in words)
    for table in body.get("datasets") or ():
        for source in table.get("sources") or ():
            graph.edges.add((own, DERIVED_FROM, _source(name, source, graph)))
    return graph


def _source(name: str, text: str, graph: Asserted) -> str:
    """A source typed by hand: a dataset of the catalog where it is written as one, or another entry (`entry:name`), or just a source."""
    if re.fullmatch(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*", text):
        return f"dataset:{text}"
    if re.match(r"(dataset|entry):.", text):
        return text
    return graph.node("source", f"{name}/{text}", text)
