"""Who may write: tokens with scopes, kept only as hashes, that expire and can be revoked."""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from dataproducts.catalog import tables as t
from dataproducts.catalog.store import Store
from dataproducts.errors import BadRequest

PREFIX = "dpc_"  # so that scanners of secrets know one
SCOPE = re.compile(r"(publish|register|remark):[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}|admin")


@dataclass(frozen=True)
class Bearer:
    """Who a request speaks for: `publish:<code location>`, `register:<namespace>`, `remark:<name>`, `admin`."""

    id: str
    name: str
    scopes: tuple[str, ...]

    def may(self, action: str) -> str | None:
        """What the token may do of an action: the part behind the colon; None where it may not."""
        return next((scope.split(":", 1)[1] for scope in self.scopes if scope.startswith(f"{action}:")), None)


def issue(store: Store, name: str, scopes: Sequence[str], valid: timedelta | None = None) -> str:
    """Make a token and give it, this once. Raises BadRequest for a scope there is not."""
    wrong = [scope for scope in scopes if not SCOPE.fullmatch(scope)]
    if wrong or not scopes:
        raise BadRequest(
            f"{(wrong or ['no scope'])[0]!r} is not a scope; write publish:<code location>, register:<name>, remark:<name> or admin"
        )
    secret = PREFIX + secrets.token_urlsafe(32)
    now = store.clock()
    expires = now + valid if valid is not None else None
    row = {"id": str(uuid.uuid4()), "hash": _hash(secret), "name": name, "scopes": sorted(scopes), "created": now, "expires": expires}
    with store.database.writing() as connection:
        connection.execute(sa.insert(t.token).values(**row))
    return secret


def bearer(store: Store, secret: str) -> Bearer | None:
    """Whose token it is; None where it is unknown, expired or revoked. Looked up by hash, so its text is never compared."""
    if not secret.startswith(PREFIX) or len(secret) > 200:
        return None
    with store.database.reading() as connection:
        row = connection.execute(sa.select(t.token).where(t.token.c.hash == _hash(secret))).mappings().first()
    now: datetime = store.clock()
    if row is None or row["revoked"] is not None or (row["expires"] is not None and row["expires"] <= now):
        return None
    return Bearer(row["id"], row["name"], tuple(row["scopes"]))


def any_valid(store: Store) -> bool:
    """Whether anybody may write at all."""
    k = t.token
    valid = sa.select(k.c.id).where(k.c.revoked.is_(None), sa.or_(k.c.expires.is_(None), k.c.expires > store.clock()))
    with store.database.reading() as connection:
        return connection.execute(valid.limit(1)).first() is not None


@dataclass(frozen=True)
class Issued:
    """A token that was made, without its secret; `state` is valid, expired or revoked."""

    name: str
    scopes: tuple[str, ...]
    created: datetime
    expires: datetime | None
    state: str


def issued(store: Store) -> list[Issued]:
    """Every token there ever was, oldest first."""
    k, now = t.token, store.clock()
    with store.database.reading() as connection:
        rows = connection.execute(sa.select(k).order_by(k.c.created, k.c.name)).mappings().all()
    return [Issued(r["name"], tuple(r["scopes"]), r["created"], r["expires"], _state(r["expires"], r["revoked"], now)) for r in rows]


def _state(expires: datetime | None, revoked: datetime | None, now: datetime) -> str:
    return "revoked" if revoked is not None else "expired" if expires is not None and expires <= now else "valid"


def revoke(store: Store, name: str) -> int:
    """Revoke every token of a name; gives how many there were."""
    with store.database.writing() as connection:
        done = connection.execute(
            sa.update(t.token).where(t.token.c.name == name, t.token.c.revoked.is_(None)).values(revoked=store.clock())
        )
        return int(done.rowcount)


def write_down(store: Store, who: str, action: str, subject: str, digest: str) -> None:
    """A line of the audit: who wrote what, by the hash of the body."""
    with store.database.writing() as connection:
        row = {"at": store.clock(), "token": who, "action": action, "subject": subject[:200], "digest": digest}
        connection.execute(sa.insert(t.audit).values(**row))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
