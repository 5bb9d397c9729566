"""Combinations of facet values that documents share, as a process remembers them: counting facets is arithmetic over their numbers.

The database gives the number of each document's combination, thousands of them for a common word, so they are counted in arrays.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from dataproducts.catalog.search.documents import FACETS
from dataproducts.catalog.search.facets import MAX_VALUES, Chosen, pair, pairs_of

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.int64]]
    Choice = np.ndarray[Any, np.dtype[np.bool_]]

MOST_REMEMBERED = 32_768  # combinations, some 5 MB


def numbers(joined: str | None) -> Numbers:
    """Numbers in ascending order, out of a text with commas between, which is how the database gives many of them soonest."""
    import numpy as np

    return np.sort(np.fromstring(joined or "", dtype=np.int64, sep=","))


def among(some: Numbers, others: Numbers) -> Choice:
    """Which of the numbers are among the others."""
    import numpy as np

    return np.isin(some, others)


@dataclass(frozen=True)
class _Met:
    """What is known, by the id of the combination in ascending order; never changed, so that a search reads it beside one that learns.

    A combination has the values `codes[starts:starts + lengths]`; `facets` has, for each code, which of FACETS it is a value of.
    """

    ids: Numbers
    starts: Numbers
    lengths: Numbers
    codes: Numbers
    facets: Numbers


@dataclass(frozen=True)
class Documents:
    """Documents by what they have: one place in `met` for each."""

    met: _Met
    places: Numbers

    @property
    def total(self) -> int:
        """How many there are."""
        return int(self.places.size)

    def kept(self, choice: Choice) -> Documents:
        """Those of them that are chosen."""
        return Documents(self.met, self.places[choice])

    @cached_property
    def values(self) -> tuple[Numbers, Numbers]:
        """The values of all of them one after another, as codes, and which document each is of."""
        import numpy as np

        lengths = self.met.lengths[self.places]
        of = np.repeat(np.arange(self.places.size), lengths)
        first = np.cumsum(lengths) - lengths
        return self.met.codes[np.repeat(self.met.starts[self.places] - first, lengths) + np.arange(of.size)], of


class Combinations:
    """Combinations met before, by id. An id means one combination for ever, so what is remembered is never stale."""

    def __init__(self) -> None:
        import numpy as np

        none = np.zeros(0, dtype=np.int64)
        self._met = _Met(none, none, none, none, none)
        self._codes: dict[tuple[str, str], int] = {}  # a facet and its value
        self._values: list[str] = []  # by code
        self._learning = threading.Lock()

    def __len__(self) -> int:
        return int(self._met.ids.size)

    def missing(self, ids: Numbers) -> list[int]:
        """Those not met before."""
        import numpy as np

        met = self._met.ids
        if not met.size:
            return [int(one) for one in np.unique(ids)]
        return [int(one) for one in np.unique(ids[met[np.minimum(np.searchsorted(met, ids), met.size - 1)] != ids])]

    def learn(self, rows: Iterable[Sequence[Any]]) -> None:
        """Remember combinations, given as (id, text)."""
        import numpy as np

        with self._learning:
            met = self._met
            known = set(met.ids.tolist())
            ids: list[int] = []
            lengths: list[int] = []
            codes: list[int] = []
            facets: list[int] = []
            for identifier, text in rows:
                if int(identifier) in known:
                    continue
                known.add(int(identifier))
                pairs = [one for one in map(pair, pairs_of(text)) if one[0] in FACETS]
                for name, value in pairs:
                    code = self._codes.setdefault((name, value), len(self._values))
                    if code == len(self._values):
                        self._values.append(value)
                        facets.append(FACETS.index(name))
                    codes.append(code)
                ids.append(int(identifier))
                lengths.append(len(pairs))
            if not ids:
                return
            starts = met.codes.size + np.cumsum([0, *lengths[:-1]])
            order = np.argsort(np.concatenate([met.ids, ids]), kind="stable")
            self._met = _Met(
                _joined(met.ids, ids)[order],
                _joined(met.starts, starts)[order],
                _joined(met.lengths, lengths)[order],
                _joined(met.codes, codes),
                _joined(met.facets, facets),
            )

    def of(self, ids: Numbers) -> Documents:
        """Documents by what they have. Raises KeyError for a combination that was not met before."""
        import numpy as np

        met = self._met
        places = np.searchsorted(met.ids, ids)
        if ids.size and (not met.ids.size or (met.ids[np.minimum(places, met.ids.size - 1)] != ids).any()):
            raise KeyError(self.missing(ids)[0])
        return Documents(met, places)

    def count(self, documents: Documents, names: Iterable[str], chosen: Chosen) -> dict[str, dict[str, int]]:
        """How often the values of these facets occur: of a facet with very many the most common ones, and those chosen."""
        import numpy as np

        many = np.bincount(documents.values[0], minlength=documents.met.facets.size)
        met = np.flatnonzero(many)
        facets = documents.met.facets[met]
        counts: dict[str, dict[str, int]] = {}
        for name in names:
            codes = met[facets == FACETS.index(name)]
            if codes.size > MAX_VALUES:
                least = np.partition(many[codes], -MAX_VALUES)[-MAX_VALUES]
                codes = codes[(many[codes] >= least) | np.isin(codes, self._chosen(name, chosen))]
            counts[name] = {self._values[code]: int(many[code]) for code in codes}
        return counts

    def having(self, documents: Documents, facets: Chosen) -> Choice:
        """Which of the documents have one of the values of each facet."""
        import numpy as np

        kept = np.ones(documents.total, dtype=bool)
        codes, of = documents.values
        for name in facets:
            have = np.zeros(documents.total, dtype=bool)
            have[of[np.isin(codes, self._chosen(name, facets))]] = True
            kept &= have
        return kept

    def _chosen(self, name: str, facets: Chosen) -> list[int]:
        return [self._codes[name, value] for value in facets.get(name, ()) if (name, value) in self._codes]


def combinations() -> Combinations:
    """What this process remembers. A search keeps to what it was given, so that what has grown too large can be begun anew beside it."""
    global _remembered
    if _remembered is None or len(_remembered) > MOST_REMEMBERED:
        _remembered = Combinations()
    return _remembered


_remembered: Combinations | None = None


def _joined(old: Numbers, new: Sequence[int] | Numbers) -> Numbers:
    import numpy as np

    return np.concatenate([old, np.asarray(new, dtype=np.int64)])
