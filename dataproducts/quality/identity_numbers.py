"""Numbers that their control digits tell: national identity numbers and bank account numbers of Norway. Whole arrays at a time.

Fødselsnummer and D-number are DDMMYY, a serial number of three digits and two control digits (modulus 11). A D-number has 40 added to
the day. Added to the month are 40 for H-numbers and the synthetic numbers of Dolly, 80 for those of Tenor, 20 and 60 for NAV's own and
their synthetic ones. An account number is eleven digits of which the last is a control digit (modulus 11).
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np

BY_CHANCE = 1 / 121
"""How often any number that begins with a date has both control digits right."""
ACCOUNT_BY_CHANCE = 1 / 11
"""How often any eleven digits are an account number, and an account number that begins with a date an identity number."""
LEAST, MOST = 1_01_00_00000, 71_92_99_99999
"""Between these lies every identity number, read as a number."""

Array = np.ndarray[Any, np.dtype[Any]]
_FIRST, _SECOND = (3, 7, 6, 1, 8, 9, 4, 5, 2), (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_DAYS = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


def begins_with_a_date(numbers: Array) -> Array:
    """Which of these numbers of up to eleven digits begin with the date of an identity number."""
    day, month, year = numbers // 10**9, numbers // 10**7 % 100, numbers // 10**5 % 100
    day, known = np.where(day > 40, day - 40, day), month <= 92
    month = month % 20
    known &= (month >= 1) & (month <= 12)
    longest = _DAYS[np.where(known, month, 0)]
    longest = np.where((month == 2) & (year % 4 != 0), 28, longest)
    found: Array = known & (day >= 1) & (day <= longest)
    return found


def is_account(numbers: Array) -> Array:
    """Which of these numbers of up to eleven digits have the control digit of an account number."""
    found: Array = (_control(numbers // 10, _SECOND) == numbers % 10) & (numbers // 10**7 > 0)
    return found


def is_identity(numbers: Array) -> Array:
    """Which of these numbers of up to eleven digits are identity numbers: a date, and both control digits."""
    controls = (_control(numbers // 100, _FIRST) == numbers // 10 % 10) & (_control(numbers // 10, _SECOND) == numbers % 10)
    found: Array = begins_with_a_date(numbers) & controls
    return found


def _control(numbers: Array, weights: tuple[int, ...]) -> Array:
    """The control digit of numbers of as many digits as weights; 10, which is no digit, where there is none."""
    total = np.zeros_like(numbers)
    for place, weight in enumerate(reversed(weights)):
        total += numbers // 10**place % 10 * weight
    control: Array = -total % 11
    return control


def chance_of(hits: int, tries: int, probability: float) -> float:
    """How probable it is that as many hits or more come about by chance."""
    if hits <= 0:
        return 1.0
    if hits > 50:  # far more than any chance that is asked for: by Chernoff's bound
        share = hits / tries
        if share <= probability:
            return 1.0
        other = (1 - share) * np.log((1 - share) / (1 - probability)) if share < 1 else 0.0
        return float(np.exp(-tries * (share * np.log(share / probability) + other)))
    return max(0.0, 1 - sum(comb(tries, k) * probability**k * (1 - probability) ** (tries - k) for k in range(hits)))
