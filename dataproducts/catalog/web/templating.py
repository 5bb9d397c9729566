"""How a page is put together: the templates, what every one of them is given, and addresses that keep the state of the page."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from dataproducts.catalog.drawing.glyphs import kind_path, status_mark
from dataproducts.catalog.drawing.layout import Status
from dataproducts.catalog.drawing.text import Language
from dataproducts.catalog.drawing.text import link as safe_link
from dataproducts.catalog.markdown import plain
from dataproducts.catalog.web import negotiation, packaged
from dataproducts.catalog.web.catalog import Catalog
from dataproducts.catalog.web.words import Speech

FOLDER = Path(__file__).parent / "templates"
TWINS = (("json", "JSON"), ("jsonld", "JSON-LD"), ("ttl", "Turtle"))
"""The other forms of a page, by suffix."""


@functools.cache
def environment() -> Environment:
    """The templates, all of them compiled once. No template is looked for on disk after that."""
    made = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        auto_reload=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=-1,
    )
    made.globals.update(asset=_asset, safe_link=safe_link, icon=icon, mark=_mark, standing_of=standing, plain=plain)
    for name in made.list_templates():
        made.get_template(name)
    return made


@functools.cache
def _asset(name: str) -> str:
    return packaged.address(name)


@functools.cache
def icon(kind: str) -> Markup:
    """The sign of a kind of thing."""
    return Markup('<svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="{}"/></svg>').format(
        kind_path(kind)
    )


@functools.cache
def _mark(status: str) -> Markup:
    return Markup(f'<svg class="mark" viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">{status_mark(status, 0, 0)}</svg>')


def status_of(freshness: str | None, quality: str | None) -> Status:
    """Where a dataset stands, as one mark: failing, then late or warned, then good; unknown where nothing is known."""
    if quality == "failing":
        return "bad"
    if freshness == "late" or quality == "warning":
        return "warn"
    return "good" if freshness == "fresh" or quality == "passing" else "unknown"


def standing(speech: Speech, freshness: str | None, quality: str | None) -> Markup:
    """Where a dataset stands: the mark, and the words for what matters most; nothing where it was never said."""
    if not freshness:
        return Markup("")
    if quality in ("failing", "warning"):
        late = [speech.label("freshness", "late")] if freshness == "late" else []
        words = " · ".join([speech.label("quality", quality), *late])
    elif quality == "passing" and freshness not in ("late", "never"):
        words = speech.label("quality", quality)
    else:
        words = speech.label("freshness", freshness)
    return Markup(f'<span class="state">{_mark(status_of(freshness, quality))}{escape(words)}</span>')


def at(*parts: str) -> str:
    """A path of parts, each of them quoted whole."""
    return "/" + "/".join([_quoted(part) for part in parts])


@functools.lru_cache(maxsize=8_192)
def _quoted(part: str) -> str:
    return quote(part, safe="@:+,;=!$'()*~")


def dataset_path(name: str, *more: str) -> str:
    """Path of a dataset ("product/dataset"), or of something below it."""
    return at("datasets", *name.split("/"), *more)


def node_path(node_id: str) -> str | None:
    """Path of what a node of the graph is shown on; None where it has no page."""
    kind, _, key = node_id.partition(":")
    if kind in ("product", "team"):
        return at(f"{kind}s", key)
    if kind == "dataset":
        return dataset_path(key)
    if kind == "column":
        product, dataset, column = [*key.split("/", 2), "", ""][:3]
        return at("datasets", product, dataset, "columns", column)
    if kind == "concept":
        return at("concepts", *key.split("/"))
    if kind == "entry":
        return at("entries", key)
    return None


@dataclass(frozen=True)
class Crumb:
    """A step of the way from the front page; the last one has no address."""

    text: str
    href: str | None = None
    language: str | None = None


@dataclass
class Page:
    """What every template is given about the request: language, moment, the address and what it carries on."""

    request: Request
    speech: Speech
    as_of: datetime | None
    catalog: Catalog
    crumbs: Sequence[Crumb] = ()
    twins: bool = False  # whether it is there as data too
    honors_time: bool = False  # whether it shows the past
    sticky: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request) -> Page:
        """The page a request is for. Raises BadRequest for a time that is none."""
        catalog: Catalog = request.app.state.catalog
        sticky = {name: value for name in ("lang", "as_of") if (value := request.query_params.get(name))}
        speech = Speech(negotiation.language(request), catalog.now)
        return cls(request, speech, negotiation.as_of(request), catalog, sticky=sticky)

    @property
    def language(self) -> Language:
        """The language of the interface."""
        return self.speech.language

    @property
    def path(self) -> str:
        """The path of the page, quoted."""
        return quote(self.request.scope["path"], safe="/@:+,;=!$'()*~")

    def to(self, path: str, **query: Any) -> str:
        """An address of the catalog that keeps the language and the moment asked for; a query value of None leaves it out."""
        asked = {k: v for k, v in {**self.sticky, **query}.items() if v is not None and v != ""}
        path, _, fragment = path.partition("#")
        return path + (f"?{urlencode(asked, doseq=True)}" if asked else "") + (f"#{fragment}" if fragment else "")

    def node(self, node_id: str) -> str:
        """Address of a node's page; empty where it has none."""
        path = node_path(node_id)
        return self.to(path) if path else ""

    def same(self, **changed: Any) -> str:
        """The address of this page with some of its query changed."""
        query: dict[str, Any] = {}
        for name, value in self.request.query_params.multi_items():
            query.setdefault(name, []).append(value)
        query.update(changed)
        kept = {k: v for k, v in query.items() if v not in (None, "", [])}
        return self.path + (f"?{urlencode(kept, doseq=True)}" if kept else "")

    @property
    def carried(self) -> list[tuple[str, str]]:
        """What a form has to send along so that the state of the page is kept, but for the moment."""
        return [(name, value) for name, value in self.request.query_params.multi_items() if name not in ("as_of", "cursor")]

    @property
    def day(self) -> str:
        """The day of `?as_of=`, for the field."""
        return (self.request.query_params.get("as_of") or "")[:10]

    @property
    def then(self) -> str:
        """The moment of `?as_of=` in words: a day means its end in UTC, which is another day in Oslo."""
        if self.as_of is None:
            return ""
        if len(self.sticky["as_of"].strip()) == 10:
            return self.speech.t("asof.end of day", day=self.speech.date(self.as_of.date()))
        return self.speech.moment(self.as_of)

    def suffixed(self, suffix: str) -> str:
        """The address of the page in another form."""
        return self.to(f"{self.path}.{suffix}", lang=None)


def render(page: Page, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page as an answer."""
    links = (
        [f'<{page.suffixed(suffix)}>; rel="alternate"; type="{negotiation.SUFFIXES[suffix]}"' for suffix, _ in TWINS] if page.twins else []
    )
    headers = {"content-language": page.language} | ({"link": ", ".join(links)} if links else {})
    return HTMLResponse(text(page, template, **values), status, headers)


def text(page: Page, template: str, **values: Any) -> str:
    """A page as HTML."""
    speech = page.speech
    return (
        environment()
        .get_template(template)
        .render(
            page=page,
            speech=speech,
            t=speech.t,
            label=speech.label,
            many=speech.many,
            to=page.to,
            twins=TWINS,
            dataset_path=dataset_path,
            at=at,
            **values,
        )
    )


def embedded(document: dict[str, Any]) -> Markup:
    """A JSON-LD document for a `script` element."""
    from dataproducts.formats.schema_org import embedded as written

    return Markup(written(document))
