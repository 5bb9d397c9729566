"""Pseudonyms: what stands in a dataset in place of what names a person.

The pseudonym of a value is the HMAC-SHA256 of its canonical form under the secret key of its group, with the key's name in front:
`2026:5f2b...`. Equal values have equal pseudonyms in every partition, version, run and product that has the group's key, and nobody
without the key can tell from whom they are.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from dataproducts.errors import ConfigurationError, DeclarationError
from dataproducts.secret_references import secret_of

PATTERN = r"^[a-z0-9]{1,16}:[0-9a-f]{64}$"
"""What every pseudonym looks like."""
VARIABLE = "DATAPRODUCTS_PSEUDONYM_KEY_"
"""Begins the name of the variable that holds a group's keys: DATAPRODUCTS_PSEUDONYM_KEY_PERSON of the group "person"."""
_LEAST_BYTES = 32
_SAMPLE = 10_000
_BLOCK = 64  # bytes that SHA-256 takes at once


@dataclass(frozen=True)
class Pseudonym:
    """That a column holds pseudonyms: `dp.column("Whom it is about", source="fnr", pseudonym=dp.Pseudonym("person", digits=11))`.

    Columns of the same `group` can be joined. The canonical form of a value is its text without space around it, composed (NFC); of a whole
    number its digits. With `digits`, spaces, dots and hyphens inside do not count either, zeros lost in front are put back, and a value
    that then is not of so many digits is refused. What is empty has no pseudonym.
    """

    group: str
    digits: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.group):
            raise DeclarationError(f"{self.group!r} is no group of pseudonyms; its name is lower-case letters, digits and underscores")
        if self.digits is not None and not 1 <= self.digits <= 64:
            raise DeclarationError(f"pseudonyms of {self.group!r}: values have 1 to 64 digits, not {self.digits}")

    def of(self, value: str | int) -> str:
        """The pseudonym of one value under the group's newest key, to find somebody by. Raises ConfigurationError without the key.

        What is no such value gives a text that is no pseudonym.
        """
        made, _ = pseudonyms_of([str(value)], self, Keys.of(self, f"pseudonyms of {self.group!r}"))
        return str(made[0])

    @property
    def variable(self) -> str:
        """The environment variable that holds the group's keys."""
        return f"{VARIABLE}{self.group.upper()}"

    def canonical(self, values: pl.Series) -> pl.Series:
        """What of texts the pseudonym is made of; null where there is nothing."""
        if self.digits is not None and bool(self.is_of_form(values).all()):
            return values
        plain = values.str.strip_chars()
        if not bool(plain.str.contains(r"^[\x00-\x7f]*$").all()):
            plain = plain.str.normalize("NFC")
        if self.digits is not None:
            bare = plain.str.replace_all(r"[ .\-]", "")
            whole = bare.str.contains(rf"^[0-9]{{1,{self.digits}}}$")
            plain = plain.zip_with(~whole, bare.str.zfill(self.digits))
        return plain.set(plain == "", None)

    def is_of_form(self, canonical: pl.Series) -> pl.Series:
        """Which canonical values the declaration admits."""
        if self.digits is None:
            return canonical.is_not_null()
        return canonical.str.contains(rf"^[0-9]{{{self.digits}}}$").fill_null(False)


@dataclass(frozen=True)
class Key:
    """A secret key and the name it goes by in front of its pseudonyms."""

    name: str
    secret: bytes = field(repr=False)

    def digests(self, values: pl.Series) -> pl.Series:
        """HMAC-SHA256 of each text, in hexadecimal; null where there is none."""
        # HMAC hashes twice, each time beginning with a block that depends on the key alone: those two are taken once and for all
        secret = hashlib.sha256(self.secret).digest() if len(self.secret) > _BLOCK else self.secret
        padded = secret.ljust(_BLOCK, b"\0")
        inner = hashlib.sha256(bytes(b ^ 0x36 for b in padded)).copy
        outer = hashlib.sha256(bytes(b ^ 0x5C for b in padded)).copy
        found: list[bytes] = []
        add = found.append
        for value in values.drop_nulls().cast(pl.Binary).to_list():
            first = inner()
            first.update(value)
            second = outer()
            second.update(first.digest())
            add(second.digest())
        digests = pl.Series(values.name, found, dtype=pl.Binary).bin.encode("hex")
        if digests.len() == values.len():
            return digests
        every = pl.Series(values.name, [None], dtype=pl.String).new_from_index(0, values.len())
        return every.scatter(values.is_not_null().arg_true(), digests)


@dataclass(frozen=True)
class Keys:
    """The keys of a group: the first makes its pseudonyms, and those after it made them before."""

    group: str
    keys: tuple[Key, ...]

    @classmethod
    def of(cls, pseudonym: Pseudonym, dataset: str) -> Keys:
        """The group's keys from the environment, `NAME=BASE64` with commas between, the newest first.

        Raises ConfigurationError where there is none or one is weak; no key is ever part of the message.
        """
        variable = pseudonym.variable
        text = secret_of(variable).strip()
        remedy = "set it to NAME=KEY, the key being 32 random bytes in base64 (`openssl rand -base64 32`)"
        if not text:
            raise ConfigurationError(f"{dataset}: {variable} is not set, and without it there are no pseudonyms; {remedy}")
        keys = []
        for place, part in enumerate(text.split(",")):
            name, separator, encoded = part.strip().partition("=")
            which = f"key {place + 1} of {variable}"
            if not separator or not re.fullmatch(r"[a-z0-9]{1,16}", name):
                raise ConfigurationError(f"{dataset}: {which} has no name of 1 to 16 small letters and digits; {remedy}")
            try:
                secret = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                raise ConfigurationError(f"{dataset}: {which} is not base64; {remedy}") from None
            if len(secret) < _LEAST_BYTES:
                raise ConfigurationError(f"{dataset}: {which} has {len(secret)} bytes, and at least {_LEAST_BYTES} are needed; {remedy}")
            keys.append(Key(name, secret))
        if len({key.name for key in keys}) < len(keys) or len({key.secret for key in keys}) < len(keys):
            raise ConfigurationError(
                f"{dataset}: {variable} has two keys of the same name, or the same key twice; give each key its own name"
            )
        return cls(pseudonym.group, tuple(keys))


def pseudonyms_of(values: Sequence[Any] | pl.Series, pseudonym: Pseudonym, keys: Keys) -> tuple[pl.Series, pl.DataFrame | None]:
    """The pseudonyms of texts, and while there are former keys, which pseudonym each of them had: `former`, `pseudonym`.

    What is a pseudonym already stays as it is. What is not of the declared form becomes a text that no pseudonym is, so that the
    contract refuses its row, and that says as little.
    """
    given = values if isinstance(values, pl.Series) else pl.Series(values, dtype=pl.String)
    name, given = given.name, given.alias("given")
    each = given if _differ(given) else given.unique()
    if each.len() > 0.7 * given.len():  # to look each up would take longer
        each = given
    canonical = pseudonym.canonical(each)
    made = _named(keys.keys[0], canonical, pseudonym)
    ready = each.str.contains(PATTERN).fill_null(False)
    if ready.any():
        made = each.zip_with(ready, made)
    links = None
    if len(keys.keys) > 1:
        before = [pl.DataFrame({"former": _named(key, canonical, pseudonym), "pseudonym": made}) for key in keys.keys[1:]]
        kept = ~ready & pseudonym.is_of_form(canonical)
        links = pl.concat([frame.filter(kept) for frame in before]).unique()
    if each is given:
        return made.alias(name), links
    met = given.to_frame().join(
        pl.DataFrame({"given": each, "made": made}), on="given", how="left", nulls_equal=True, maintain_order="left"
    )
    return met.get_column("made").alias(name), links


def _differ(values: pl.Series) -> bool:
    """Whether nearly all values differ, as far as a sample tells: of values that come twice, one in a hundred meets itself in it."""
    sample = values.gather_every(max(1, values.len() // _SAMPLE))
    return bool(sample.n_unique() > 0.995 * sample.len())


def _named(key: Key, canonical: pl.Series, pseudonym: Pseudonym) -> pl.Series:
    made = pl.select(pl.lit(f"{key.name}:") + key.digests(canonical)).to_series()
    known = pseudonym.is_of_form(canonical)
    return made if bool(known.all()) else pl.select(pl.when(known).then(made).otherwise(pl.lit("!") + made)).to_series()
