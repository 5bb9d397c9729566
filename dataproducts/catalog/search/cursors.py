"""Where a page ended, as an opaque text: the stage or sort key of the last hit, never a count of rows passed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json

from dataproducts.errors import BadRequest

Key = str | int
_NO_CURSOR = "the cursor is not one this catalog made; start again from the first page"


def written(question: str, place: tuple[Key, ...]) -> str:
    """A cursor for going on after a place in the answer to a question."""
    body = json.dumps([_mark(question), *place], ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return base64.urlsafe_b64encode(body).decode().rstrip("=")


def read(question: str, cursor: str, shape: tuple[type, ...]) -> tuple[Key, ...]:
    """The place in a cursor. Raises BadRequest for what is none, or belongs to another question."""
    try:
        if len(cursor) > 1_000:
            raise ValueError
        body = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        body = None
    if not isinstance(body, list) or not body or not isinstance(body[0], str):
        raise BadRequest(_NO_CURSOR)
    mark, *place = body
    if mark != _mark(question):
        raise BadRequest("the cursor belongs to another search; start again from the first page")
    if len(place) != len(shape) or not all(_fits(value, kind) for value, kind in zip(place, shape, strict=True)):
        raise BadRequest(_NO_CURSOR)
    return tuple(place)


def _fits(value: object, kind: type) -> bool:
    if isinstance(value, str):
        return kind is str and value.isprintable()
    return kind is int and type(value) is int and -(2**63) <= value < 2**63


def _mark(question: str) -> str:
    return hashlib.blake2b(question.encode("utf-8", "replace"), digest_size=6).hexdigest()
