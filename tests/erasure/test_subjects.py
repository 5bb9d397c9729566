"""Who is recognized where: in rows, in refused rows as they were received, in what is said beside them; by value, and by hash alone."""

from __future__ import annotations

import base64
import json
from typing import Any

import polars as pl
import pytest

from dataproducts.erasure.secret import Secret
from dataproducts.erasure.subjects import Erased, Subjects, spelled, spelled_texts

SECRET = Secret(b"5" * 32)


def erased(columns: tuple[str, ...], *values: tuple[str, ...], sources: tuple[str, ...] = (), told: bool = True) -> Erased:
    texts = [spelled_texts(value) for value in values]
    subjects = Subjects(columns, sources or columns, frozenset(SECRET.hashed(texts)), SECRET, frozenset(texts if told else ()))
    return Erased("shop/people", (subjects,), len(texts))


def test_the_keyed_hash_is_hmac_sha256() -> None:
    import hashlib
    import hmac

    for key in (b"5" * 32, b"long" * 40):
        assert Secret(key).hashed(["Kåre", ""]) == [hmac.new(key, text.encode(), hashlib.sha256).hexdigest() for text in ("Kåre", "")]
    assert "5555" not in repr(SECRET)


def test_no_two_different_keys_are_spelled_alike() -> None:
    frame = pl.DataFrame({"a": ["1:b", "1", "", None], "b": ["", ":b", "1:b", "x"]})
    texts = frame.select(spelled(("a", "b"), frame.schema)).to_series().to_list()
    assert len(set(texts)) == 4
    assert texts[-1] is None
    assert texts[0] == spelled_texts(["1:b", ""])


@pytest.mark.parametrize("told", [True, False])
def test_rows_are_recognized_by_value_and_by_hash_alike(told: bool) -> None:
    frame = pl.DataFrame({"number": [7, 8, None], "shop": ["north", "north", "south"]})
    assert erased(("number",), ("7",), told=told).hits(frame).to_list() == [True, False, False]
    assert erased(("number", "shop"), ("8", "north"), told=told).hits(frame).to_list() == [False, True, False]
    assert erased(("other",), ("8",), told=told).hits(frame).to_list() == [False, False, False]


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize(
    ("received", "theirs"),
    [
        ({"person": {"id": 90917731}, "amount": "x"}, True),
        ({"number": "90917731"}, True),
        ({"number": 90917731.0}, True),
        ({"person": {"id": 1}, "amount": "x"}, False),
        ({"person": None}, False),
        ({"undecoded": {"key_base64": None, "value_base64": base64.b64encode(b'{"person": {"id": 90917731}}').decode()}}, True),
        ({"undecoded": {"key_base64": base64.b64encode(b"8").decode(), "value_base64": base64.b64encode(b"<html>").decode()}}, False),
    ],
)
def test_refused_rows_are_recognized_by_where_the_source_has_the_key(received: Any, theirs: bool, told: bool) -> None:
    assert erased(("number",), ("90917731",), sources=("person.id",), told=told).names(json.dumps(received)) is theirs


def test_while_a_value_is_known_it_is_found_anywhere_in_a_refused_row() -> None:
    broken = json.dumps({"undecoded": {"value_base64": base64.b64encode(b"<p>90917731</p>").decode()}})
    assert erased(("number",), ("90917731",)).names(broken)
    assert erased(("number",), ("90917731",)).names('garbled "90917731')
    assert not erased(("number",), ("90917731",), told=False).names(broken)
    assert not erased(("number",), ("7",)).names('{"amount": 7}')


@pytest.mark.parametrize("told", [True, False])
def test_what_is_said_beside_rows_loses_the_value_and_nothing_else(told: bool) -> None:
    note = {
        "run": "90917731",
        "removed": ["90917731", "1"],
        "rows": 90917731,
        "said": "of 90917731, they said",
        "by": {"90917731": 1, "2": 3},
    }
    assert erased(("number",), ("90917731",), told=told).scrubbed(note) == {
        "run": "90917731",
        "removed": ["1"],
        "rows": "erased",
        "said": "of erased, they said",
        "by": {"2": 3},
    }
