"""Identity numbers are told by their control digits, as often by chance as is said and no oftener."""

from __future__ import annotations

import random
from math import comb

import numpy as np
import pytest

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
from tests.quality.numbers import account, identity


@pytest.mark.parametrize(
    ("day", "month"),
    [(0, 0), (40, 0), (0, 40), (40, 40), (0, 80), (40, 80), (0, 20), (0, 60)],
    ids=["fødselsnummer", "D", "H or Dolly", "D of Dolly", "Tenor", "D of Tenor", "NAV's own", "synthetic of NAV's own"],
)
def test_every_kind_of_identity_number_is_known_and_none_with_a_wrong_digit(day: int, month: int) -> None:
    rng = random.Random(day * 100 + month)
    numbers = [identity(rng, day=day, month=month) for _ in range(200)]
    found = np.array([int(n) for n in numbers])
    assert is_identity(found).all()
    assert ((found >= LEAST) & (found <= MOST)).all()
    assert is_account(found).all()  # the last digit is that of an account number
    for place in range(11):  # modulus 11 tells every single wrong digit
        wrong = [int(n[:place] + str((int(n[place]) + rng.randint(1, 9)) % 10) + n[place + 1 :]) for n in numbers]
        assert not is_identity(np.array(wrong)).any()


@pytest.mark.parametrize(
    ("born", "is_date"),
    [
        ("290200", True), ("290224", True), ("290223", False), ("310499", False), ("300499", True), ("000199", False), ("320199", False),
        ("010099", False), ("011399", False), ("412099", False), ("410199", True), ("720199", False), ("019299", True), ("019399", False),
        ("018099", False), ("018199", True), ("290824", True), ("298224", True), ("298223", False),
    ],
)  # fmt: skip
def test_a_number_begins_with_a_day_there_is(born: str, is_date: bool) -> None:
    assert begins_with_a_date(np.array([int(f"{born}12345")])).tolist() == [is_date]


def test_account_numbers_are_known_and_are_seldom_identity_numbers() -> None:
    rng = random.Random(7)
    accounts = np.array([int(account(rng)) for _ in range(500)])
    assert is_account(accounts).all()
    assert not is_identity(accounts).any()


def test_chance_gives_as_many_as_is_said() -> None:
    numbers = np.random.default_rng(3).integers(0, 10**11, 1_000_000)
    dated, accounts, identities = begins_with_a_date(numbers), is_account(numbers), is_identity(numbers)
    assert identities.sum() / dated.sum() == pytest.approx(BY_CHANCE, rel=0.1)
    assert accounts.mean() == pytest.approx(ACCOUNT_BY_CHANCE, rel=0.02)
    assert identities.sum() / (dated & accounts).sum() == pytest.approx(ACCOUNT_BY_CHANCE, rel=0.1)


@pytest.mark.parametrize(("hits", "tries"), [(1, 1), (1, 6), (3, 100), (40, 2000), (60, 2000)])
def test_the_chance_of_so_many_hits_is_never_said_to_be_smaller_than_it_is(hits: int, tries: int) -> None:
    exact = 1 - sum(comb(tries, k) * BY_CHANCE**k * (1 - BY_CHANCE) ** (tries - k) for k in range(hits))
    assert chance_of(hits, tries, BY_CHANCE) >= exact - 1e-12
    assert chance_of(hits, tries, BY_CHANCE) == pytest.approx(exact, abs=1e-6)
