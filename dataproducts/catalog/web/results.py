"""Search results as the page shows them: facets to choose from, what is chosen, and why each hit is one."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from zlib import crc32

from markupsafe import Markup, escape

from dataproducts.catalog.search.documents import FACETS
from dataproducts.catalog.search.index import Hit, SearchPage, SearchRequest
from dataproducts.catalog.web.templating import Page, dataset_path, icon, standing
from dataproducts.catalog.web.words import Speech

LABELED = {
    "kind": "kind",
    "theme": "theme",
    "access": "access",
    "personal_data": "personal",
    "port": "port",
    "freshness": "freshness",
    "quality": "quality",
}
"""Facets whose values have words of their own, and the group of those."""
OPEN_FACETS = ("kind", "team", "freshness", "quality", "personal_data")
SHOWN_VALUES = 8
SORTS = ("relevance", "title", "updated")
_REASONS = 2  # shown of a hit


@dataclass(frozen=True)
class Facet:
    """A facet with the values there are, each a box to tick: list items. `is_open` where it should be unfolded."""

    name: str
    label: str
    choices: Markup
    rest: Markup
    is_open: bool


@dataclass(frozen=True)
class Chip:
    """A chosen value, and the address without it."""

    label: str
    facet: str
    href: str


def request_of(page: Page, limit: int = 20) -> SearchRequest:
    """What the address asks for. Raises BadRequest for a sort that is none."""
    query = page.request.query_params
    facets = {name: values for name in FACETS if (values := [v for v in query.getlist(name) if v][:50])}
    return SearchRequest(
        text=page.catalog.sought(query.get("q", "")[:1_000]),
        facets=facets,
        sort=query.get("sort") or "relevance",
        limit=limit,
        cursor=query.get("cursor") or None,
        reasons=_REASONS,
    )


def facets(found: SearchPage, speech: Speech) -> list[Facet]:
    """The facets there is something to choose in. Where not all is counted, a number says that there are more."""
    made = []
    more = "+" if found.facets_are_capped else ""
    for name in FACETS:
        values = found.facets.get(name, [])
        if not values:
            continue
        any_chosen = any(chosen for _, _, chosen in values)
        first: list[str] = []
        rest: list[str] = []
        for place, (value, count, chosen) in enumerate(values):
            box = _box(_label(speech, name, value), name, value, speech.number(count) + more, chosen)
            (first if place < SHOWN_VALUES or chosen else rest).append(box)
        label = speech.t(f"facet.{name}")
        made.append(Facet(name, label, Markup("".join(first)), Markup("".join(rest)), any_chosen or name in OPEN_FACETS))
    return made


def _box(label: str, name: str, value: str, count: str, is_chosen: bool) -> str:
    """Written here and not by the template, which takes ten times as long: a page has a hundred."""
    before, after = _around(label, name, value)
    return f"{before}{' checked' if is_chosen else ''}{after}{count}</span></label></li>"


@functools.lru_cache(maxsize=4_096)
def _around(label: str, name: str, value: str) -> tuple[str, str]:
    """What is the same each time a value is there to be chosen: before and after the word that it is."""
    box = f'<input type="checkbox" id="{name}-{crc32(value.encode()):x}" name="{name}" value="{escape(value)}"'
    return f'<li><label class="choice">{box}', f'><span>{escape(label)}</span><span class="count">'


def chips(page: Page, asked: SearchRequest) -> list[Chip]:
    """The chosen values, each with the address without it."""
    return [
        Chip(
            _label(page.speech, name, value),
            page.speech.t(f"facet.{name}"),
            page.same(**{name: [other for other in values if other != value], "cursor": None}),
        )
        for name, values in asked.facets.items()
        for value in values
    ]


def results(page: Page, found: SearchPage) -> list[Markup]:
    """The hits, each as an article. Written here as the boxes of facets are, and for the same reason."""
    return [Markup(_article(page, hit)) for hit in found.hits]


def _article(page: Page, hit: Hit) -> str:
    card, speech = hit.card, page.speech
    title = speech.localized(card.get("title") or {"nb": card.get("key", hit.id)})
    href = escape(page.to(str(card.get("href") or "/")))
    lines = [
        f'<article><p class="kind">{icon(hit.kind)}{escape(speech.label("kind", hit.kind))}{_where(page, hit)}</p>',
        f'<h2><a href="{href}">{title}</a></h2>',
    ]
    if text := _told(speech, card.get("text") or {}):
        lines.append(f'<p class="text">{text}</p>')
    lines.append(f'<p class="facts">{_facts(speech, hit)}</p>')
    if why := "; ".join([_why(speech, field, words) for field, words in hit.matched[:_REASONS]]):
        lines.append(f'<p class="why">{escape(speech.t("results.why"))} {escape(why)}</p>')
    return "\n".join([*lines, "</article>"])


def _where(page: Page, hit: Hit) -> str:
    """What the thing is part of: a column of its dataset, a dataset of its product."""
    dataset, product = hit.card.get("dataset"), hit.card.get("product")
    if hit.kind == "column":
        return f' · <a href="{escape(page.to(dataset_path(str(dataset))))}">{escape(dataset)}</a>'
    return f" · {page.speech.localized(product)}" if product else ""


def _facts(speech: Speech, hit: Hit) -> str:
    card, kind = hit.card, hit.kind
    code = card.get("key") if kind in ("dataset", "product", "entry") else card.get("type") if kind == "column" else None
    said = [
        speech.label("personal", card.get("personal")) if kind != "product" else "",
        speech.label("access", card.get("access")),
        card.get("team"),
    ]
    found = [f'<code translate="no">{escape(code)}</code>'] if code else []
    found.append(standing(speech, card.get("freshness"), card.get("quality")))
    return " ".join([*found, *(f"<span>{escape(one)}</span>" for one in said if one)])


def _told(speech: Speech, text: Mapping[str, str | None]) -> Markup:
    told, language = speech.best(text)
    return speech.said(told, None if set(text) == {"nb"} else language)


def _why(speech: Speech, field: str, words: tuple[str, ...]) -> str:
    key = f"results.why.{field}" if field in ("name", "title", "columns", "keywords") else "results.why.text"
    return speech.t(key) if field == "name" else speech.t(key, words=", ".join(words))


def _label(speech: Speech, name: str, value: str) -> str:
    return speech.label(LABELED[name], value) if name in LABELED else value
