"""What the values of a key have become in datasets that hold pseudonyms of them, under every key of the group there is."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import product

from dataproducts.erasure.derived import Columns, Derived, Step
from dataproducts.erasure.subjects import spelled_texts, unspelled
from dataproducts.pseudonym import PATTERN, Keys, Pseudonym, pseudonyms_of

Become = Mapping[tuple[str, Columns], Mapping[str, str]]
"""By dataset and columns: each spelled value there, and the one asked for that it is or was made of."""


def become(spelled: Collection[str], reach: Derived) -> Become:
    """Follow spelled values along the steps of each dataset. Raises ConfigurationError where the key of a group is not at hand."""
    found = {}
    for dataset, sets in reach.columns.items():
        for columns in sets:
            values: dict[str, str] = {}
            for steps in reach.made.get((dataset, columns), ((),)):
                now = {text: text for text in spelled}
                for step in steps:
                    now = {new: first for text, first in now.items() for new in _after(text, step, dataset)}
                values |= now
            found[dataset, columns] = values
    return found


def _after(text: str, step: Step, dataset: str) -> list[str]:
    """A spelled value after a step: as many as there are keys, for rows may have been stored under any."""
    each = [[value] if made is None else _under_every_key(value, made, dataset) for value, made in zip(unspelled(text), step, strict=True)]
    return [spelled_texts(values) for values in product(*each)]


def _under_every_key(value: str, made: Pseudonym, dataset: str) -> list[str]:
    found = [pseudonyms_of([value], made, Keys(made.group, (key,)))[0][0] for key in Keys.of(made, dataset).keys]
    return [one for one in found if one is not None and re.search(PATTERN, one)]
