"""Secrets do not leave by what is written: values of the environment that are secret, and what looks like one, become `***`.

Which variables are secret is known by their names, by `sm://` references, and by what products declare (a script's secrets, a webhook).
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from dataproducts import secret_references

HIDDEN = "***"
_SECRET_NAME = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|WEBHOOK|CREDENTIAL|(API|ACCESS|PRIVATE|ERASURE|PSEUDONYM)_?KEY", re.IGNORECASE
)
_NO_SECRETS = {secret_references.ENDPOINT, "GOOGLE_APPLICATION_CREDENTIALS"}  # an address, and the path of a file
_SHORTEST = 8  # characters; what is shorter is in too many words
_IN_ADDRESS = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE)
_TELLING = re.compile(r"(\bBearer\s+|\bdpc_|hooks\.slack\.com/services/)[^\s\"'<>]{6,}")
_declared: set[str] = set()
_known: tuple[Any, list[str]] = (None, [])


def declare(*variables: str) -> None:
    """These variables hold secrets, whatever their names."""
    _declared.update(variables)


def masked(text: str) -> str:
    """A text without secrets."""
    for secret in _secrets():
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return _TELLING.sub(rf"\1{HIDDEN}", _IN_ADDRESS.sub(rf"\1{HIDDEN}", text))


def without_secrets(error: BaseException) -> None:
    """Mask what an error, and what it came from, would say: in place, so that whoever writes it down writes nothing else."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if (args := tuple(masked(part) if isinstance(part, str) else part for part in one.args)) != one.args:
            one.args = args
        for name, value in list(vars(one).items()):  # such as the description of Dagster's Failure, and notes
            if isinstance(value, str) and masked(value) != value:
                setattr(one, name, masked(value))
            elif name == "__notes__":
                one.__notes__ = [masked(str(note)) for note in value]
        waiting += [one.__cause__, one.__context__]


@contextmanager
def hidden(log: logging.Logger) -> Iterator[None]:
    """For as long as it lasts, what is logged there has no secrets in it, and neither has an error that comes out of it."""

    def mask(record: logging.LogRecord) -> bool:
        record.msg, record.args = masked(record.getMessage()), ()
        return True

    log.addFilter(mask)
    try:
        yield
    except Exception as error:
        without_secrets(error)
        raise
    finally:
        log.removeFilter(mask)


def _secrets() -> list[str]:
    """Every secret there is, longest first, for one may hold another. Worked out anew only where the environment has changed."""
    global _known
    stamp = (
        dict(getattr(os.environ, "_data", os.environ)),
        secret_references.held(),
        frozenset(_declared),
    )  # undecoded, which is quick
    if stamp != _known[0]:
        found = {text for value in _values() for part in _parts(value) for text in _spellings(part) if len(text) >= _SHORTEST}
        _known = stamp, sorted(found, key=len, reverse=True)
    return _known[1]


def _values() -> Iterator[str]:
    for name, value in os.environ.items():
        if name in _declared or (_SECRET_NAME.search(name) and name not in _NO_SECRETS):
            if not value.startswith(secret_references.SCHEME) and not value.startswith("/"):  # a reference or a path tells nothing
                yield value
        elif "://" in value and "@" in value and (password := _password(value)):
            yield password
    yield from secret_references.held()


def _parts(value: str) -> Iterator[str]:
    """A secret as it may be written: whole, line by line, each key of several, the password and the path of an address."""
    yield value
    pieces = re.split(r"[\s,]+", value)
    for piece in pieces if len(pieces) > 1 or "=" in value.rstrip("=") else []:
        yield piece.partition("=")[2] if "=" in piece.rstrip("=") else piece
    if "://" in value:
        yield _password(value) or ""
        yield urlsplit(value).path.strip("/") if _is_address(value) else ""


def _spellings(part: str) -> set[str]:
    """As it is, in an address, and in JSON."""
    return {spelled for one in (part, unquote(part), quote(unquote(part), safe="")) for spelled in (one, json.dumps(one)[1:-1])}


def _password(value: str) -> str | None:
    return urlsplit(value).password if _is_address(value) else None


def _is_address(value: str) -> bool:
    try:
        urlsplit(value)
    except ValueError:
        return False
    return True
