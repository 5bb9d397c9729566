"""What people add: comments, questions and answers, ratings and tags. Nothing is overwritten; what is taken back is marked withdrawn."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from dataproducts.catalog import indexing
from dataproducts.catalog import tables as t
from dataproducts.catalog.markdown import MAX_MARKDOWN, render
from dataproducts.catalog.store import Store
from dataproducts.errors import BadRequest, UnknownDataset

RemarkKind = Literal["comment", "question", "answer"]
_TAG = re.compile(r"[\w][\w .:+-]{0,49}")


@dataclass(frozen=True)
class Remark:
    """A comment or question about a subject, or the answer to one. `html` is safe to show."""

    id: str
    subject: str
    kind: str
    parent: str | None
    author: str
    text: str
    html: str
    at: datetime


def say(store: Store, subject: str, kind: RemarkKind, author: str, text: str, parent: str | None = None) -> Remark:
    """Add a comment, a question, or the answer to one (`parent` its id).

    Raises BadRequest for an empty or too long text or a parent that is not a question of the subject, UnknownDataset for no such subject.
    """
    text, author = text.replace("\x00", "").strip(), _author(author)
    if not text or len(text) > MAX_MARKDOWN:
        raise BadRequest(f"a {kind} has 1 to {MAX_MARKDOWN:,} characters; this has {len(text):,}")
    if (kind == "answer") != (parent is not None):
        raise BadRequest("an answer names the question it answers, and nothing else does")
    remark = Remark(str(uuid.uuid4()), subject, kind, parent, author, text, render(text), store.clock())
    with store.database.writing() as connection:
        _known(connection, subject)
        if parent is not None:
            r = t.remark
            asked = sa.select(r.c.kind).where(r.c.id == parent, r.c.subject == subject, r.c.withdrawn.is_(None))
            if connection.execute(asked).scalar() != "question":
                raise BadRequest("the question that this answers is not there; reload the page")
        connection.execute(sa.insert(t.remark).values(**remark.__dict__))
        _tell(connection, subject, kind, remark.at, author=author, id=remark.id)
    return remark


def withdraw(store: Store, remark_id: str, author: str) -> None:
    """Take a remark of one's own back; its answers stay."""
    with store.database.writing() as connection:
        r = t.remark
        row = connection.execute(sa.select(r.c.subject, r.c.author).where(r.c.id == remark_id, r.c.withdrawn.is_(None))).first()
        if row is None:
            raise UnknownDataset("there is no such remark; it may have been withdrawn")
        if row.author != _author(author):
            raise BadRequest("only its author may withdraw a remark")
        connection.execute(sa.update(r).where(r.c.id == remark_id).values(withdrawn=store.clock()))
        _tell(connection, row.subject, "withdrawn", store.clock(), id=remark_id)


def rate(store: Store, subject: str, author: str, stars: int) -> None:
    """Give 1 to 5 stars; of several by one person the newest counts."""
    if stars not in (1, 2, 3, 4, 5):
        raise BadRequest(f"a rating is 1 to 5 stars, not {stars}")
    with store.database.writing() as connection:
        _known(connection, subject)
        now = store.clock()
        connection.execute(sa.insert(t.rating).values(subject=subject, author=_author(author), at=now, stars=stars))
        _tell(connection, subject, "rated", now, stars=stars)


def tag(store: Store, subject: str, author: str, text: str) -> str:
    """Put a tag on a subject; gives the tag as kept: lower case, one space between words."""
    word = _tag(text)
    with store.database.writing() as connection:
        _known(connection, subject)
        g, now = t.tag, store.clock()
        there = sa.select(g.c.tag).where(g.c.subject == subject, g.c.tag == word, g.c.withdrawn.is_(None))
        if connection.execute(there).first() is None:
            connection.execute(sa.insert(g).values(subject=subject, tag=word, author=_author(author), at=now))
            _tell(connection, subject, "tagged", now, tag=word)
    return word


def untag(store: Store, subject: str, text: str) -> None:
    """Take a tag off a subject."""
    with store.database.writing() as connection:
        g, now = t.tag, store.clock()
        done = connection.execute(
            sa.update(g).where(g.c.subject == subject, g.c.tag == _tag(text), g.c.withdrawn.is_(None)).values(withdrawn=now)
        )
        if done.rowcount:
            _tell(connection, subject, "untagged", now, tag=_tag(text))


def _tag(text: str) -> str:
    word = " ".join(text.split()).lower()
    if not _TAG.fullmatch(word):
        raise BadRequest("a tag is 1 to 50 letters, digits, spaces and . : + -, and begins with a letter or digit")
    return word


def _author(author: str) -> str:
    name = " ".join(author.split())
    if not name or len(name) > 100 or any(ord(c) < 32 for c in name):
        raise BadRequest("say who you are, in at most 100 characters")
    return name


def _known(connection: sa.Connection, subject: str) -> None:
    there = sa.select(t.current.c.subject).where(t.current.c.subject == subject, t.current.c.body.is_not(None))
    if connection.execute(there).first() is None:
        raise UnknownDataset(f"the catalog has no {subject.replace(':', ' ', 1)!r}")


def _tell(connection: sa.Connection, subject: str, change: str, at: datetime, **body: Any) -> None:
    connection.execute(sa.insert(t.feed).values(subject=subject, change=change, at=at, body=body))
    indexing.index(connection, [subject], at, states_only=True)
