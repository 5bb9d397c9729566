"""Messages that are read in bulk become what reading them one by one makes of them, whatever is in them."""

from __future__ import annotations

import json
from typing import Annotated, Any

import numpy as np
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataproducts as dp
from dataproducts.contract import Contract
from dataproducts.errors import ContractBreach
from dataproducts.ports.kafka import decoding
from dataproducts.ports.kafka.consuming import Batch
from dataproducts.ports.kafka.decoding import Decoder
from dataproducts.quality.conform import conform, to_json


class Narrow(pa.DataFrameModel):
    """Nothing but what it names."""

    partition: int = dp.column("Partition.", source="kafka.partition")
    offset: int = dp.column("Offset.", source="kafka.offset")
    at: Annotated[pl.Datetime, "us", "UTC"] = dp.column("When.", source="kafka.timestamp", nullable=True)
    key: str = dp.column("Key.", source="kafka.key", nullable=True)
    headers: str = dp.column("Headers.", source="kafka.headers", nullable=True)
    whole: int = dp.column("Number.", source="a.whole", nullable=True)
    text: str = dp.column("Text.", source="a.text", nullable=True)
    number: float = dp.column("Number.", nullable=True)
    yes: bool = dp.column("Truth.", nullable=True)
    day: pl.Date = dp.column("Day.", nullable=True)
    moment: Annotated[pl.Datetime, "us", "UTC"] = dp.column("Moment.", time_zone="Europe/Oslo", nullable=True)


class Open(Narrow):
    """And the rest."""

    rest: str = dp.column("Rest.", source="*", nullable=True)


def contracts() -> dict[str, Contract]:
    nested = {
        "partition": Narrow.to_schema().columns["partition"],
        "offset": Narrow.to_schema().columns["offset"],
        "a": pa.Column(pl.Struct({"whole": pl.Int64, "text": pl.String}), nullable=True),
        "number": pa.Column(pl.List(pl.Int64), nullable=True),
    }
    return {
        "narrow": Contract.of(Narrow, dataset="shop/narrow"),
        "open": Contract.of(Open, dataset="shop/open"),
        "nested": Contract.of(pa.DataFrameSchema(nested), dataset="shop/nested"),
    }


CONTRACTS = contracts()
NUMBERS = ["0", "-0", "-0.0", "1", "1.0", "1e3", "1E400", "-1e-400", "9223372036854775807", "9223372036854775808", "0.1", "1.10"]
NUMBERS += ["12345678901234567890", "0.30000000000000004", "123456789012345678.9", "NaN", "-Infinity", "01", "+1", ".5", "1.", "0x1", "1_0"]
TEXTS = [
    '""',
    '"ø"',
    '"\\u00f8"',
    '"\\ud800"',
    '"\\ud83e\\udd86"',
    '"\\u0000"',
    '"a\\nb"',
    '"a\nb"',
    '"a\tb"',
    '"\\x"',
    '"7"',
    '"2.5"',
    '"true"',
    "'a'",
]
TIMES = ['"2026-01-31"', '"2026-02-30"', '"2026-01-31T10:00:00"', '"2026-03-29T02:30:00"', '"2026-01-31T10:00:00.1234567Z"', '"0000-01-01"']
OTHERS = ["true", "false", "null", "[]", "[1]", "[1,null]", "[[1]]", '["x"]', "{}", '{"b": 1}', "tru", "", "//", "True"]
STRAY = ["kafka", "more", "", "a.whole", "\\u0061"]
FIELDS = {"a": ["whole", "text"], "": ["a", "number", "yes", "day", "moment"]}
USUAL = {"number": "1.5", "yes": "true", "day": '"2026-01-31"', "moment": '"2026-01-31T10:00:00"', "whole": "7", "text": '"t"'}
KINDS = {"number": NUMBERS, "whole": NUMBERS, "text": TEXTS, "day": TIMES, "moment": TIMES, "yes": OTHERS}

scalars = st.sampled_from([*NUMBERS, *TEXTS, *TIMES, *OTHERS]) | st.integers().map(str) | st.floats().map(repr) | st.text().map(json.dumps)


@st.composite
def objects(draw: st.DrawFn, of: str = "") -> str:
    """An object of which most is as it should be; a name may be missing, come twice or be unknown."""
    names = list(FIELDS[of])
    if draw(st.integers(0, 3)) == 0:
        names = draw(st.lists(st.sampled_from([*names, *names, draw(st.sampled_from(STRAY))]), max_size=6))
    members = []
    for name in names:
        usual = objects("a") if name == "a" else st.just(USUAL.get(name, "1"))
        strange = st.sampled_from(KINDS[name]) | scalars if name in KINDS else scalars
        members.append(f'{draw(st.sampled_from(["", " "]))}"{name}":{draw(strange if draw(st.integers(0, 7)) == 0 else usual)}')
    return "{" + ",".join(members) + "}"


def spoiled(text: bytes, at: int, how: bytes) -> bytes:
    at %= len(text) + 1
    return text[:at] + how + text[at + len(how) // 2 :]


HARM = [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\n", b"\r", b"}{", b",", b'"', b"\x00", b"\xef\xbb\xbf", b"]", b"}\n{", b"\xf4\x90\x80\x80"]
values = st.one_of(
    objects().map(str.encode),
    st.builds(spoiled, objects().map(str.encode), st.integers(0, 200), st.sampled_from(HARM)),
    objects().map(lambda text: f" {text}\t".encode()),
    scalars.map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=8),
    st.none(),
)
keys = st.none() | st.sampled_from([b"", b"k", "ø".encode(), b"\xff", b"\xc3", b"a\nb"])
heads = st.none() | st.lists(st.tuples(st.sampled_from(["h", "ø"]), st.none() | st.sampled_from([b"", b"1", b"\xff"])), max_size=2).map(
    tuple
)
messages = st.lists(st.tuples(values, keys, heads, st.sampled_from([-1, 0, 1_767_225_600_123])), min_size=1, max_size=12)


def batch(of: list[tuple[Any, ...]]) -> Batch:
    values, keys, headers, times = (list(column) for column in zip(*of, strict=True))
    offsets = np.arange(len(of), dtype=np.int64)
    return Batch("shop.orders", values, keys, headers, offsets % 3, offsets, np.array(times, dtype=np.int64))


def outcome(contract: Contract, rows: list[Any], refused: list[Any]) -> Any:
    """What a dataset would see: its rows, what was refused and why, or the breach."""
    frames, unknown = [contract.empty()], set[str]()
    try:
        for some in rows:
            conformed = conform(some, contract)
            frames.append(conformed.frame)
            unknown |= conformed.unknown_fields
            refused += zip(map(place, map(json.loads, conformed.refused.row)), conformed.refused.rules, strict=True)
    except ContractBreach as breach:
        return str(breach)
    return pl.concat(frames).sort("offset").rows(), sorted(refused, key=str), unknown


def place(record: dict[str, Any]) -> Any:
    return record["kafka"]["offset"] if "kafka" in record else record["kafka.offset"]


@pytest.mark.parametrize("name", CONTRACTS)
@settings(max_examples=80, deadline=None)
@given(of=messages)
def test_what_is_read_in_bulk_is_what_is_read_one_by_one(name: str, of: list[tuple[Any, ...]]) -> None:
    contract, found = CONTRACTS[name], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "_FEWEST", 1)
        patch.setattr(decoding, "_BLOCK", 16)  # so that a dozen messages are several blocks
        for way in ("decode", "records"):
            decoder = Decoder(contract, "shop.orders", "json", tombstones=True)
            rows, refused = [], []
            for decoded in getattr(decoder, way)(batch(of)):
                rows += decoded.rows
                refused += [(to_json(record), rule) for record, rule in decoded.refused]
            found.append(outcome(contract, rows, refused))
    assert found[0] == found[1]
