"""An erasure as it is told to a catalog that is a service: who is erased from a dataset, and of which versions. No dagster, no lake."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Set
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

if TYPE_CHECKING:
    from dataproducts.erasure.subjects import Erased, Subjects

MOST = 10_000
"""Values, hashes or versions that one request names."""

_Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ErasedSubjects(_Told):
    """Those erased by the values of some columns. A value is `<bytes>:<text>` of each column in turn; a hash is HMAC-SHA256 of one."""

    columns: list[_Name] = Field(min_length=1, max_length=50)
    sources: list[_Name] = Field(min_length=1, max_length=50)
    values: list[Annotated[str, StringConstraints(max_length=10_000)]] = Field(default=[], max_length=MOST)
    hashes: list[_Hex] = Field(default=[], max_length=MOST)


class Erasure(_Told):
    """Who is erased from a dataset. `touched` are versions (partition, number) that had rows of theirs: what is kept of them is emptied.

    `secret` (hex) is the key of the hashes, given where there are any. `salt` is 32 random bytes in hex: a digest of every body that
    writes is kept, and without it the digest could be tried against names.
    """

    salt: _Hex
    dataset: Annotated[str, StringConstraints(pattern=r"^[^/]+/[^/]+$", max_length=300)]
    subjects: list[ErasedSubjects] = Field(default=[], max_length=100)
    touched: list[tuple[str, int]] = Field(default=[], max_length=MOST)
    secret: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}){32,}$", max_length=1_000)] | None = None

    def erased(self) -> Erased:
        """Them, as everything that erases takes them."""
        from dataproducts.erasure.secret import Secret
        from dataproducts.erasure.subjects import Erased, Subjects

        secret = Secret(bytes.fromhex(self.secret or ""))
        return Erased(
            self.dataset,
            tuple(
                Subjects(tuple(one.columns), tuple(one.sources), frozenset(one.hashes), secret, frozenset(one.values))
                for one in self.subjects
            ),
            0,
        )


def told(erased: Mapping[str, Erased], touched: Mapping[str, Set[tuple[str, int]]]) -> Iterator[Erasure]:
    """The requests that tell an erasure. Hashes are told only of those whose values this process does not know."""
    for name, one in erased.items():
        parts = [part for subjects in one.subjects for part in _parts(subjects)]
        versions = sorted(touched.get(name, set()))
        secret = next((s.secret.key.hex() for s in one.subjects if s.unknown), None)
        for start in range(0, len(versions), MOST):
            yield Erasure(salt=secrets.token_hex(32), dataset=name, touched=versions[start : start + MOST])
        for start in range(max(len(parts), 1)):
            some = parts[start : start + 1]
            yield Erasure(salt=secrets.token_hex(32), dataset=name, subjects=some, secret=secret if any(p.hashes for p in some) else None)


def _parts(subjects: Subjects) -> Iterator[ErasedSubjects]:
    columns, sources = list(subjects.columns), list(subjects.sources)
    values, hashes = sorted(subjects.known), sorted(subjects.unknown)
    for start in range(0, len(values), MOST):
        yield ErasedSubjects(columns=columns, sources=sources, values=values[start : start + MOST])
    for start in range(0, len(hashes), MOST):
        yield ErasedSubjects(columns=columns, sources=sources, hashes=hashes[start : start + MOST])
