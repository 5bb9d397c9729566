"""Look for what nobody declared: identity numbers, account numbers, e-mail addresses, telephone numbers and names of persons.

Texts and whole numbers of every column that is not classed as personal are looked at, inside lists and records too. What is found is
told by column, kind and count; no value leaves this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from dataproducts.contract import Column, Contract
from dataproducts.quality.identity_numbers import (
    ACCOUNT_BY_CHANCE,
    BY_CHANCE,
    LEAST,
    MOST,
    begins_with_a_date,
    chance_of,
    is_account,
    is_identity,
)
from dataproducts.quality.names import FIRST_NAMES, PLACES, SURNAMES

CHECK = "personal_data"
"""Name of the asset check."""
EXACT_ROWS = 500_000
"""Up to so many rows of a partition are looked at; of more about so many, drawn at random, the same ones each time.

Of n rows looked at, values that are in a share p of the rows are met with a probability of 1 - (1 - p)^n: with n of half a million those of
one row in 100,000 with 99.3 %.
"""
NAME_ROWS = 5_000
"""So many evenly spaced rows are held against the list of names, which asks for a share of the rows and not for single ones."""
DOUBT = 0.05
"""Numbers are found when as many that pass would come about by chance with at most this probability."""

Kind = Literal["identity", "account", "email", "phone", "name"]
KINDS: dict[Kind, str] = {
    "identity": "national identity numbers",
    "account": "bank account numbers",
    "email": "e-mail addresses of persons",
    "phone": "telephone numbers",
    "name": "names of persons",
}

_ANY = r"[0-9](?:[ .\-]?[0-9]){10}|@|\+47|^\s*[2-9][0-9](?: ?[0-9]){6}\s*$"  # what every kind but names has
_ELEVEN = r"(?:^|[^0-9A-Za-z_.,])[0-9]{6}[ -]?[0-9]{5}(?-u:\b)"
_DOTTED = r"(?:^|[^0-9A-Za-z_.,])[0-9]{4}[. ][0-9]{2}[. ][0-9]{5}(?-u:\b)"
_EMAIL = r"[A-Za-z0-9._%+\-æøåÆØÅ]+@[A-Za-z0-9\-æøåÆØÅ]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}"
_FILE = r"@[0-9.]+x\.|\.(?:png|jpe?g|gif|svg|webp|ico|js|css|html?|pdf|json|xml)$"  # "logo@2x.png" is no address
_ABROAD = r"(?:^|[^0-9A-Za-z+])(?:\+|00)47 ?[2-9](?: ?[0-9]){7}(?-u:\b)"
_GROUPED = r"^\s*(?:[2-9][0-9](?: [0-9]{2}){3}|[49][0-9]{2} [0-9]{2} [0-9]{3})\s*$"
_MOBILE = r"^\s*[49][0-9]{7}\s*$"
_WORDS = r"^\s*\p{Lu}[\p{L}'\-]*\.?(?:,? \p{Lu}[\p{L}'\-]*\.?){0,3}\s*$"
_MAILBOXES = """
admin administrasjon bedrift booking butikk contact drift e-post epost faktura firma firmapost hallo hei hello help hjelp hr info
invoice jobb jobs karriere kontakt kontor kundesenter kundeservice kundestøtte ledig mail no-reply no_reply noreply nyheter office ordre
post postkasse postmottak press presse regnskap rekruttering resepsjon sales salg service servicetorg styret support team webmaster
"""
_ROLES = frozenset(_MAILBOXES.split())
"""Mailboxes that no single person has."""
_HELPFUL = "classify the column with personal=..., or say in dp.column(..., not_personal=...) why it is nobody's"


@dataclass(frozen=True)
class Found:
    """A kind of personal data in a column: in how many of the values that differ. `column` is dotted into lists and records."""

    column: str
    kind: Kind
    values: int
    of: int
    classed: bool = False

    def __str__(self) -> str:
        return f"column {self.column!r} holds {KINDS[self.kind]} ({self.values:,} of {self.of:,} different values)"


@dataclass(frozen=True)
class Looked:
    """What was found in a partition, and in how many of its rows it was looked for."""

    found: tuple[Found, ...]
    rows: int
    of: int

    def sentence(self, where: str) -> str:
        """What the author is told: column, kind, count and remedy, and no value."""
        first = self.found[0]
        more = f"; so do {len(self.found) - 1} more, as the check {CHECK} says" if len(self.found) > 1 else ""
        sampled = f", by a sample of {self.rows:,} of {self.of:,} rows" if self.rows < self.of else ""
        if first.classed:
            remedy = "identity numbers do not stand beside the pseudonyms made of them; leave the column out, or make it a pseudonym too"
        else:
            remedy = _HELPFUL
        undeclared = "" if first.classed else ", which is not declared"
        return f"{where}: {first}{sampled}{undeclared}{more}; nothing was stored: {remedy}"


@dataclass(frozen=True)
class _Leaf:
    """Texts or whole numbers at one place of a column; `likely` are those that may be something else than a name."""

    name: str
    values: pl.Series
    likely: pl.Series
    only_identity: bool = False  # of a classed column beside pseudonyms


def looked_at(contract: Contract) -> list[str]:
    """The columns in which something may be found."""
    return [column.name for column in _columns(contract)]


def look(rows: Iterable[pl.DataFrame], height: int, contract: Contract, columns: Sequence[str] | None = None) -> Looked:
    """Look at the rows of a partition, given in any number of frames; `columns` narrows it to some."""
    names = [name for name in looked_at(contract) if columns is None or name in columns]
    if not names:
        return Looked((), height, height)
    frame = _sampled(rows, height, names, contract)
    found = [one for leaf in _leaves(frame, contract) for one in _Tally.of(leaf).found(leaf)]
    return Looked(tuple(found), frame.height, height)


def traces(frame: pl.DataFrame, contract: Contract) -> list[str]:
    """The columns in which there is any value to look at more closely, in rows of many partitions at once."""
    met = {leaf.name.split(".")[0]: None for leaf in _leaves(frame, contract) if _Tally.of(leaf).has_any}
    return list(met)


def is_suspect(value: object) -> bool:
    """Whether a single value that is about to be shown may say something of a person."""
    number = isinstance(value, int) and not isinstance(value, bool) and LEAST <= value <= MOST
    tally = _Tally.of(_leaf("", pl.Series([value if number else str(value)])))
    return bool(tally.identity or tally.accounts or tally.emails or tally.abroad or tally.grouped or tally.mobile)


def _columns(contract: Contract) -> Iterator[Column]:
    """Those whose class says there is nothing to find; beside pseudonyms also the others, where no identity number may stand."""
    pseudonyms = any(c.pseudonym for c in contract.columns)
    for column in contract.columns:
        if (
            _has_leaves(column.dtype)
            and column.not_personal is None
            and column.pseudonym is None
            and (pseudonyms or not column.is_personal)
        ):
            yield column


def _has_leaves(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.List):
        return _has_leaves(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return any(_has_leaves(f.dtype) for f in dtype.fields)  # type: ignore[arg-type]
    return dtype in (pl.String, pl.Int64)


def _sampled(rows: Iterable[pl.DataFrame], height: int, names: Sequence[str], contract: Contract) -> pl.DataFrame:
    frames, draw = [], np.random.default_rng(0x5EED)
    for frame in rows:
        kept = frame.select(names)
        if height > EXACT_ROWS:
            kept = kept.filter(pl.Series(draw.random(frame.height) < EXACT_ROWS / height))
        frames.append(kept)
    return pl.concat(frames) if frames else contract.empty().select(names)


def _leaves(frame: pl.DataFrame, contract: Contract) -> Iterator[_Leaf]:
    plain = [c.name for c in _columns(contract) if c.name in frame.columns and not c.dtype.is_nested()]
    likely = frame.lazy().select(_likely(pl.col(n), frame.schema[n]).implode() for n in plain).collect()  # all columns at once
    for column in _columns(contract):
        if column.name in plain:
            yield _Leaf(column.name, frame.get_column(column.name), likely.get_column(column.name)[0], column.is_personal)
        elif column.name in frame.columns:
            for name, values in _below(column.name, frame.get_column(column.name)):
                yield _leaf(name, values, column.is_personal)


def _leaf(name: str, values: pl.Series, only_identity: bool = False) -> _Leaf:
    given = values.alias("given")
    likely = given.to_frame().select(_likely(pl.col("given"), given.dtype)).to_series()
    return _Leaf(name, given, likely, only_identity)


def _likely(values: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    return values.filter(values.is_between(LEAST, MOST) if dtype == pl.Int64 else values.str.contains(_ANY))


def _below(name: str, values: pl.Series) -> Iterator[tuple[str, pl.Series]]:
    if isinstance(values.dtype, pl.List):
        yield from _below(name, values.list.explode())
    elif isinstance(values.dtype, pl.Struct):
        for field in values.dtype.fields:
            yield from _below(f"{name}.{field.name}", values.struct.field(field.name))
    elif values.dtype in (pl.String, pl.Int64):
        yield name, values


@dataclass
class _Tally:
    """How many different values of a leaf are what."""

    values: int = 0
    dated: int = 0  # of eleven digits that begin with a date
    dated_accounts: int = 0  # those of them that are account numbers
    identity: int = 0
    numbers: int = 0  # of eleven digits
    accounts: int = 0
    emails: int = 0
    abroad: int = 0  # telephone numbers with the country's code
    grouped: int = 0  # with digits in groups, and nothing else
    mobile: int = 0  # eight digits as mobile telephones have, and nothing else
    named: int = 0  # whole names
    first_names: int = 0
    surnames: int = 0
    named_rows: int = 0
    first_rows: int = 0
    surname_rows: int = 0
    name_rows: int = 0

    @classmethod
    def of(cls, leaf: _Leaf) -> _Tally:
        tally = cls()
        if leaf.values.dtype == pl.Int64:
            tally._take_numbers(leaf.values, leaf.likely)
        else:
            tally._take_texts(leaf.values, leaf.likely, leaf.only_identity)
        return tally

    @property
    def has_any(self) -> bool:
        enough = self.accounts > 2 or self.abroad + self.grouped + self.mobile > 2 or self.first_names > 4 or self.surnames > 4
        return bool(enough or self.identity or self.emails or self.named)

    def found(self, leaf: _Leaf) -> Iterator[Found]:
        """What there is more of than chance gives, or than a column of something else has."""
        looks_like_accounts = self.numbers > 2 and self.accounts >= 0.5 * self.numbers
        tries, chance = (self.dated_accounts, ACCOUNT_BY_CHANCE) if looks_like_accounts else (self.dated, BY_CHANCE)
        is_identity_ = self.identity >= 3 * chance * tries and chance_of(self.identity, tries, chance) <= DOUBT
        if self.identity and is_identity_:
            yield Found(leaf.name, "identity", self.identity, self.values, leaf.only_identity)
        if leaf.only_identity:
            return
        if looks_like_accounts and not is_identity_ and chance_of(self.accounts, self.numbers, ACCOUNT_BY_CHANCE) <= DOUBT:
            yield Found(leaf.name, "account", self.accounts, self.values)
        if self.emails:
            yield Found(leaf.name, "email", self.emails, self.values)
        phones = self.abroad + self.grouped + self.mobile
        written = self.abroad + self.grouped  # which is how nothing but telephone numbers are written
        # eight digits alone may be any number, and of a handful of values half are so by chance
        if written >= max(3, 0.2 * self.values) or phones >= max(12, 0.5 * self.values):
            yield Found(leaf.name, "phone", phones, self.values)
        if self.named > 2 and self.named_rows >= 0.1 * self.name_rows:
            yield Found(leaf.name, "name", self.named, self.values)
        elif self.first_names > 4 and self.first_rows >= 0.3 * self.name_rows:
            yield Found(leaf.name, "name", self.first_names, self.values)
        elif self.surnames > 4 and self.surname_rows >= 0.2 * self.name_rows:
            yield Found(leaf.name, "name", self.surnames, self.values)

    def _take_numbers(self, given: pl.Series, likely: pl.Series) -> None:
        self._take_eleven(likely.unique())
        self._count(given.drop_nulls())

    def _take_eleven(self, numbers: pl.Series) -> None:
        if not numbers.len():
            return
        found = numbers.to_numpy()
        dated, accounts = begins_with_a_date(found), is_account(found)
        self.numbers += int(found.size)
        self.dated += int(dated.sum())
        self.accounts += int(accounts.sum())
        self.dated_accounts += int((dated & accounts).sum())
        if dated.any():
            self.identity += int(is_identity(found[dated]).sum())

    def _take_texts(self, given: pl.Series, likely: pl.Series, only_identity: bool) -> None:
        given = given.drop_nulls()
        if not only_identity:
            self._take_names(given)
        if not likely.len():
            return
        likely = likely.unique()
        numbers = _digits(likely, _ELEVEN)
        if not only_identity:
            numbers = pl.concat([numbers, _digits(likely, _DOTTED)])
        self._take_eleven(numbers.unique())
        if only_identity:
            self._count(given)
            return
        if (at := likely.filter(likely.str.contains("@", literal=True))).len():
            addresses = at.str.extract_all(_EMAIL).list.explode().drop_nulls().str.to_lowercase().unique()
            boxes = addresses.str.extract(r"^([^@]+)@", 1)
            nobodys = boxes.is_in(list(_ROLES)) | boxes.str.replace(r"[.+_\-].*$", "").is_in(list(_ROLES))
            self.emails = int((~nobodys & ~addresses.str.contains(_FILE)).sum())
        abroad = likely.str.contains(_ABROAD)
        self.abroad = int(abroad.sum())
        left = likely.filter(~abroad)
        self.grouped = int(left.str.contains(_GROUPED).sum())
        self.mobile = int(left.str.contains(_MOBILE).sum())
        self._count(given)

    def _count(self, given: pl.Series) -> None:
        if self.has_any:
            self.values = given.n_unique()

    def _take_names(self, given: pl.Series) -> None:
        rows = given.gather_every(max(1, given.len() // NAME_ROWS))
        self.name_rows = rows.len()
        for text, count in rows.filter(rows.str.contains(_WORDS)).value_counts(name="\x00n").iter_rows():
            words = [w.strip(".").lower() for w in re.split(r"[ ,]+", text.strip())]
            if len(words) == 1:
                if words[0] in FIRST_NAMES:
                    self.first_names += 1
                    self.first_rows += count
                elif _is_surname(words[0]) and words[0] not in PLACES:
                    self.surnames += 1
                    self.surname_rows += count
            elif (words[0] in FIRST_NAMES and _is_surname(words[-1])) or (_is_surname(words[0]) and words[1] in FIRST_NAMES):
                self.named += 1
                self.named_rows += count
        self._count(rows)


def _digits(texts: pl.Series, pattern: str) -> pl.Series:
    """The numbers of eleven digits that are written like this."""
    met = texts.str.extract_all(pattern).list.explode().drop_nulls()
    return met.str.replace_all("[^0-9]", "").cast(pl.Int64)


def _is_surname(word: str) -> bool:
    return word in SURNAMES or (len(word) > 4 and word.endswith("sen"))
