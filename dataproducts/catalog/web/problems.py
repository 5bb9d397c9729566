"""What goes wrong, told twice: problem documents (RFC 9457) for programs, a page for people. A fault of ours shows only a number."""

from __future__ import annotations

import html
import http
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pydantic
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from dataproducts.catalog.register import Changed
from dataproducts.errors import BadRequest, CatalogUnavailable, Clash, DataProductsError, UnknownDataset

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class FieldError:
    """One fault in what was sent: a JSON pointer to it, and what is wrong there."""

    pointer: str
    detail: str


@dataclass(frozen=True)
class Problem:
    """What is wrong, as RFC 9457 writes it. `instance` is the request's own number, which the log has too."""

    status: int
    detail: str = ""
    type: str = "about:blank"
    errors: tuple[FieldError, ...] = ()
    instance: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The status in words."""
        return http.HTTPStatus(self.status).phrase

    def document(self) -> dict[str, Any]:
        """The problem as JSON has it."""
        found: dict[str, Any] = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail:
            found["detail"] = self.detail
        if self.instance:
            found["instance"] = f"urn:request:{self.instance}"
        if self.errors:
            found["errors"] = [{"pointer": one.pointer, "detail": one.detail} for one in self.errors]
        return found


class Refusal(Exception):
    """A request that is answered with a problem."""

    def __init__(self, status: int, detail: str, *, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.problem = Problem(status, detail, errors=tuple(errors), headers=headers or {})


def absent(path: Mapping[str, Any], as_of: datetime | None = None) -> UnknownDataset:
    """The sentence for what an address names and the catalog does not have, or did not have then."""
    own = f"{path.get('product')}/{path.get('dataset')}"
    if "column" in path:
        what = f"column {path['column']!r} of {own!r}"
    elif "number" in path:
        what = f"version {path['number']} of partition {path['partition']!r} of {own!r}"
    elif "dataset" in path:
        what = f"dataset {own!r}"
    elif "concept" in path:
        what = f"concept {path['concept']!r} of {path['product']!r}"
    else:
        kind, key = next((kind, path[key]) for key, kind in _NAMED.items() if key in path)
        what = f"{kind} {key!r}"
    return UnknownDataset(f"the catalog has no {what}" + (f" as of {as_of.isoformat(timespec='seconds')}" if as_of is not None else ""))


_NAMED = {"product": "product", "team": "team", "name": "entry", "id": "node"}
"""The one part of an address by which a thing is known, and what it is then."""
_STATUSES: tuple[tuple[type[DataProductsError], int], ...] = (
    (BadRequest, 400),
    (UnknownDataset, 404),
    (Changed, 412),
    (Clash, 409),
    (CatalogUnavailable, 503),
)
_SAID = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    500: "Something went wrong here, and it is not your fault; the number finds it in the log.",
}


def problem_of(error: Exception) -> Problem:
    """The problem that an error is; of one that nobody foresaw, nothing but its status is told."""
    if isinstance(error, Refusal):
        return error.problem
    if isinstance(error, pydantic.ValidationError):
        found = field_errors(error)
        return Problem(422, f"{found[0].pointer or 'the body'}: {found[0].detail}", errors=tuple(found))
    if isinstance(error, HTTPException) and error.status_code != 500:
        headers = dict(error.headers or {})
        if "Allow" in headers:
            headers["Allow"] = ", ".join(sorted(headers["Allow"].split(", ")))
        return Problem(error.status_code, _SAID.get(error.status_code, ""), headers=headers)
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return Problem(status, str(error), headers={"Retry-After": "5"} if status == 503 else {})
    return Problem(500, _SAID[500])


def field_errors(error: pydantic.ValidationError, under: str = "") -> list[FieldError]:
    """What a model says is wrong, at most 100 faults. The values themselves are not repeated."""
    told = error.errors(include_url=False, include_input=False, include_context=False)[:100]
    return [FieldError(under + pointer(one["loc"]), _WORDS.get(one["type"], one["msg"].removeprefix("Value error, "))) for one in told]


_WORDS = {"extra_forbidden": "is not a field there is; take it out", "missing": "is missing"}


def pointer(location: Sequence[int | str]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


def respond(scope: Scope, problem: Problem, *, page: bool) -> Response:
    """The answer that tells a problem: as a page for people where `page`, else as a document.

    The page is that of `app.state.error_page(request, problem)`, or a plain one where that is not there or fails itself.
    """
    if not page:
        body = json.dumps(problem.document(), ensure_ascii=False).encode("utf-8", "replace")
        return Response(body, problem.status, dict(problem.headers), MEDIA_TYPE)
    made = None
    drawn = getattr(scope["app"].state, "error_page", None)
    if drawn is not None:
        from starlette.requests import Request

        try:
            made = drawn(Request(scope), problem)
        except Exception:
            made = None  # the page about the trouble is in trouble: the plain one always works
    text = _plain(problem) if made is None else made
    return Response(text.encode("utf-8", "replace"), problem.status, dict(problem.headers), "text/html")


def _plain(problem: Problem) -> str:
    title, detail = html.escape(f"{problem.status} {problem.title}"), html.escape(problem.detail)
    number = f"<p>{html.escape(problem.instance)}</p>" if problem.instance else ""
    return f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><p>{detail}</p>{number}</html>\n'
