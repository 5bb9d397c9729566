"""The scan finds personal data that nobody declared, does not find what only looks like it, and never shows what it found."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataproducts as dp
from dataproducts.errors import ContractBreach, DeclarationError
from dataproducts.history.store import DatasetHistory
from dataproducts.quality import personal_data
from dataproducts.quality.names import FIRST_NAMES, PLACES, SURNAMES
from dataproducts.quality.quarantine import Quarantine
from tests.quality.numbers import account, everything_under, identity

RNG = random.Random(20261127)
PERSONS = [identity(RNG, month=80) for _ in range(400)]
ACCOUNTS = [account(RNG) for _ in range(400)]
MOBILES = [f"9{RNG.randint(0, 9_999_999):07}" for _ in range(400)]
FIRSTS, LASTS = sorted(FIRST_NAMES), sorted(SURNAMES - PLACES)
NAMES = [f"{RNG.choice(FIRSTS).title()} {RNG.choice(LASTS).title()}" for _ in range(400)]
TEXTS = [f"Sak {RNG.randint(1, 99_999)} er tatt til følge, beløp {RNG.randint(1, 9_999_999)} kr" for _ in range(400)]


def organization(rng: random.Random) -> str:
    while True:
        digits = f"{rng.choice('89')}{rng.randint(0, 9_999_999):07}"
        control = -sum(int(d) * w for d, w in zip(digits, (3, 2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
        if control < 10:
            return f"{digits}{control}"


def look(values: Any, dtype: Any = None, **column: Any) -> list[tuple[str, str, int]]:
    """What the scan says of one column with these values."""
    series = pl.Series("c", values, dtype=dtype)
    schema = pa.DataFrameSchema({"c": pa.Column(series.dtype, nullable=True, metadata={"dataproducts": column})})
    contract = dp.Contract.of(schema, dataset="shop/sales")
    looked = personal_data.look([series.to_frame()], series.len(), contract)
    return [(one.column, one.kind, one.values) for one in looked.found]


def mixed(*parts: Any) -> list[Any]:
    values = [v for part in parts for v in part]
    RNG.shuffle(values)
    return values


@pytest.mark.parametrize(
    ("values", "kind", "count"),
    [
        (PERSONS, "identity", 400),
        ([f"{p[:6]} {p[6:]}" for p in PERSONS], "identity", 400),
        ([*TEXTS, f"Gjelder {PERSONS[0]}, født i fjor"], "identity", 1),
        ([*TEXTS, f'{{"fnr":"{PERSONS[1]}"}}'], "identity", 1),
        ([*[f"{RNG.randint(0, 10**11 - 1):011}" for _ in range(500)], *PERSONS[:60]], "identity", None),
        ([*ACCOUNTS, *PERSONS[:200]], "identity", 200),
        (ACCOUNTS, "account", 400),
        ([f"{a[:4]}.{a[4:6]}.{a[6:]}" for a in ACCOUNTS], "account", 400),
        ([*TEXTS, "Spørsmål til f.etternavn@nav.no innen fredag"], "email", 1),
        (MOBILES, "phone", len(set(MOBILES))),
        ([f"+47 {m[:3]} {m[3:5]} {m[5:]}" for m in MOBILES], "phone", len(set(MOBILES))),
        (["22 33 44 55", "91 22 33 44", "400 12 345", *TEXTS[:8]], "phone", 3),
        (NAMES, "name", len(set(NAMES))),
        ([", ".join(reversed(n.split())).upper() for n in NAMES], "name", len(set(NAMES))),
        ([*NAMES[:80], *TEXTS[:320]], "name", len(set(NAMES[:80]))),
        ([n.split()[0] for n in NAMES], "name", len({n.split()[0] for n in NAMES})),
        ([n.split()[1] for n in NAMES], "name", None),  # some are first names too
    ],
    ids=[
        "identity numbers", "with a space", "one in text", "one in JSON", "some among numbers of eleven digits", "some among account numbers",
        "account numbers", "with dots", "one e-mail address", "mobile telephones", "with country code", "a few in groups", "whole names",
        "surname first", "a fifth are names", "first names", "surnames",
    ],
)  # fmt: skip
def test_what_is_a_persons_is_found(values: list[str], kind: str, count: int | None) -> None:
    found = {k: n for _, k, n in look(mixed(values))}
    assert kind in found
    if count is not None:
        assert found == {kind: count}


@pytest.mark.parametrize(
    "values",
    [
        [organization(RNG) for _ in range(2_000)],
        [f"{RNG.randint(1000, 8999)}" for _ in range(500)],
        [f"{RNG.randint(10**10, 10**11 - 1)}" for _ in range(20_000)],
        [f"{day:02}{month:02}{RNG.randint(0, 99):02}{RNG.randint(0, 99_999):05}" for day in range(1, 29) for month in range(1, 13)] * 3,
        [f"2026{month:02}{day:02}" for month in range(1, 13) for day in range(1, 29)],
        [f"{RNG.getrandbits(32):08x}-{RNG.getrandbits(16):04x}-4{RNG.getrandbits(12):03x}-a{RNG.getrandbits(12):03x}-{RNG.randint(0, 10**12 - 1):012}" for _ in range(2_000)],
        [f"{RNG.random():.15f}" for _ in range(2_000)],
        [f"{RNG.randint(10_000_000, 99_999_999)}" for _ in range(2_000)],
        TEXTS,
        ["post@nav.no", "firmapost@kommune.no", "no-reply@nav.no", "support.oslo@nav.no", "team-register@nav.no"],
        ["https://cdn.nav.no/logo@2x.png", "bilde@3x.jpg", "https://medium.com/@nav", "pakke@1.2.3"],
        ["Sentralbord 21 07 00 00", "Ingen telefon", *TEXTS],
        [f"{last.title()} Transport AS" for last in LASTS] + [f"{first.title()} Frisør" for first in FIRSTS],
        [place.title() for place in PLACES] * 4,
        [None, "", " ", "🎉", "\x00", "12", "@", "a@b"],
    ],
    ids=[
        "organization numbers", "accounts of a chart", "numbers of eleven digits", "numbers that begin with a date", "days", "UUIDs",
        "decimals", "numbers of eight digits", "texts", "mailboxes", "files", "a switchboard in text", "names of businesses", "places", "odds and ends",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_left_alone(values: list[Any]) -> None:
    assert look(mixed(values), pl.String) == []


def test_whole_numbers_may_be_identity_numbers_that_lost_their_zero() -> None:
    lost = [int(identity(RNG)) for _ in range(50)]
    assert min(lost) < 10**10
    assert look(lost) == [("c", "identity", 50)]
    assert look([RNG.randint(0, 10**12) for _ in range(5_000)]) == []
    assert look([1_760_000_000 + RNG.randint(0, 30_000_000) for _ in range(5_000)]) == []  # seconds since 1970


def test_lists_and_records_are_looked_into() -> None:
    values = [{"name": "x", "refs": [{"id": "a"}, {"id": p}]} for p in PERSONS[:3]]
    dtype = pl.Struct({"name": pl.String, "refs": pl.List(pl.Struct({"id": pl.String}))})
    assert look(values, dtype) == [("c.refs.id", "identity", 3)]


def test_a_class_or_a_reason_says_that_it_is_known() -> None:
    assert look(PERSONS, personal="directly_identifying") == []
    assert look(PERSONS, not_personal="Synthetic persons of Tenor.") == []
    assert look(PERSONS, personal="none") == [("c", "identity", 400)]
    assert look(PERSONS, personal="anonymized") == [("c", "identity", 400)]


def test_beside_pseudonyms_no_column_holds_identity_numbers(declare: Callable[..., Any]) -> None:
    class Person(pa.DataFrameModel):
        who: str = dp.column("Whom it is about.", pseudonym="person")
        note: str = dp.column("Free text.", personal="special_category")

    contract = dp.Contract.of(Person, dataset="shop/sales")
    rows = pl.DataFrame({"who": ["k:" + "0" * 64] * 9, "note": [*TEXTS[:8], f"ringte {PERSONS[0]} og {NAMES[0]}"]})
    looked = personal_data.look([rows], 9, contract)
    assert [(f.column, f.kind) for f in looked.found] == [("note", "identity")]  # a name in a column of its class is declared
    assert "do not stand beside the pseudonyms" in looked.sentence("shop/sales")


def test_large_partitions_are_sampled_the_same_way_each_time_and_the_message_says_so(
    monkeypatch: pytest.MonkeyPatch, declare: Callable[..., Any]
) -> None:
    monkeypatch.setattr(personal_data, "EXACT_ROWS", 2_000)
    contract = declare({"id": pl.Int64, "ref": pl.String}, key="id")
    rows = pl.DataFrame({"id": range(20_000), "ref": [PERSONS[i % 400] if i % 10 == 0 else None for i in range(20_000)]})
    chunks = [rows.slice(at, 3_000) for at in range(0, 20_000, 3_000)]
    first, second = (personal_data.look(chunks, 20_000, contract) for _ in range(2))
    assert first == second
    assert first.rows == pytest.approx(2_000, rel=0.1)
    assert [f.kind for f in first.found] == ["identity"]
    assert f"by a sample of {first.rows:,} of 20,000 rows" in first.sentence("shop/sales")


def test_a_sample_meets_what_is_in_a_share_of_the_rows_as_often_as_is_said(
    monkeypatch: pytest.MonkeyPatch, declare: Callable[..., Any]
) -> None:
    monkeypatch.setattr(personal_data, "EXACT_ROWS", 500)
    contract = declare({"ref": pl.String})
    height, share = 5_000, 0.002
    met = 0
    for seed in range(60):
        where = np.random.default_rng(seed).choice(height, int(height * share), replace=False)
        values = pl.Series("ref", TEXTS[:200] * 25).scatter(where, PERSONS[0])
        met += bool(personal_data.look([values.to_frame()], height, contract).found)
    assert met / 60 == pytest.approx(1 - (1 - share) ** 500, abs=0.2)  # 63 %


@given(st.lists(st.text() | st.from_regex(r"[0-9 .+@-]{1,40}", fullmatch=True) | st.none()), st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_no_text_or_number_is_too_odd_to_be_looked_at(texts: list[str | None], numbers: list[int]) -> None:
    for values, dtype in ((texts, pl.String), (numbers, pl.Int64), ([texts, None, []], pl.List(pl.String))):
        for _, _, count in look(values, dtype):
            assert count > 0


# --- in a run ---------------------------------------------------------------------------------------------------------


class Note(pa.DataFrameModel):
    """Notes on receipts."""

    id: int = dp.column("Number of the receipt.")
    note: str = dp.column("Free text.", str_length={"max_value": 80})


def notes(product: Any, make: Callable[..., Any], **settings: Any) -> None:
    product.dataset(schema=Note, key="id", name="notes", **settings)(make)


def rows(*texts: str) -> pl.DataFrame:
    return pl.DataFrame({"id": range(len(texts)), "note": list(texts)})


def test_a_person_nobody_declared_stops_the_partition_and_is_shown_nowhere(
    product: Any, materialize: Callable[..., Any], home: Path
) -> None:
    notes(product, lambda: rows(*TEXTS[:20], f"Gjelder {PERSONS[0]}"), quarantine=True)
    run = materialize(product, "notes")
    assert not run.success
    assert run.failure == (
        "shop/notes: column 'note' holds national identity numbers (1 of 21 different values), which is not declared; nothing was stored: "
        "classify the column with personal=..., or say in dp.column(..., not_personal=...) why it is nobody's"
    )
    assert run.warned == {"personal_data": "ERROR"}
    assert run.checks["personal_data"].metadata["rows_looked_at"].value == 21
    assert run.checks["personal_data"].blocking
    assert PERSONS[0] not in run.text
    assert DatasetHistory(str(home / "lake"), "shop/notes").current() == {}
    assert PERSONS[0] not in everything_under(home)


def test_of_many_partitions_only_those_with_a_finding_fail(product: Any, materialize: Callable[..., Any], home: Path) -> None:
    daily = dg.DailyPartitionsDefinition("2026-01-01")
    notes(product, lambda partition: rows(*TEXTS[:20], PERSONS[0] if partition == "2026-01-03" else "ok"), partitions=daily)
    run = materialize(product, "notes", span=("2026-01-01", "2026-01-05"))
    assert run.warned == {"personal_data": "ERROR"}
    assert "partition '2026-01-03': column 'note' holds national identity numbers" in run.failure
    assert sorted(DatasetHistory(str(home / "lake"), "shop/notes").current()) == ["2026-01-01", "2026-01-02", "2026-01-04", "2026-01-05"]


def test_rows_that_went_to_disk_are_looked_at_too(
    monkeypatch: pytest.MonkeyPatch, store: Callable[..., Any], declare: Callable[..., Any]
) -> None:
    from dataproducts.quality import spool

    monkeypatch.setattr(spool, "WHOLE_CELLS", 100)
    monkeypatch.setattr(spool, "RUN_BYTES", 0)
    monkeypatch.setattr(spool, "RUN_CELLS", 100)
    contract = declare({"id": pl.Int64, "ref": pl.String}, key="id")
    frames = [pl.DataFrame({"id": range(at, at + 100), "ref": [*TEXTS[:99], PERSONS[0] if at == 300 else ""]}) for at in range(0, 600, 100)]
    report = store(contract, {"-": iter(frames)}, lenient=True)
    assert "column 'ref' holds national identity numbers (1 of 101 different values)" in report.outcomes["-"].error
    assert not report.outcomes["-"].committed


def test_values_that_break_a_rule_are_no_examples_where_they_are_a_persons(product: Any, materialize: Callable[..., Any]) -> None:
    notes(product, lambda: rows(*TEXTS[:30], PERSONS[0] + "!" * 80, "x" * 81), quarantine=True)
    run = materialize(product, "notes")
    assert run.success
    assert run.checks["note_str_length"].metadata["examples"].value == "x" * 81
    assert PERSONS[0] not in run.text


def test_every_dataset_has_the_check_but_histories_whose_rows_were_looked_at(product: Any) -> None:
    daily = dg.DailyPartitionsDefinition("2026-01-01")
    notes(product, lambda: rows(), kind="snapshot", partitions=daily)
    product.history(product.datasets["notes"])
    names = {name: {spec.name for spec in dataset.check_specs} for name, dataset in product.datasets.items()}
    assert "personal_data" in names["notes"]
    assert "personal_data" not in names["notes_history"]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"not_personal": " "}, "column 'c' says not_personal without a reason"),
        ({"not_personal": "Why not.", "personal": "confidential"}, "is classed confidential and says not_personal"),
    ],
)
def test_an_exception_has_a_reason_and_no_class(column: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        look(TEXTS[:2], **column)


def test_none_in_a_product_of_persons_needs_a_reason(facts_file: Callable[..., Path]) -> None:
    class Count(pa.DataFrameModel):
        n: int = dp.column("How many.", personal="none")

    product = dp.DataProduct(facts_file(personal=True))
    for personal, why in (("none", "why it holds none"), ("anonymized", "how it was anonymized")):
        with pytest.raises(
            DeclarationError, match=f"shop/counts is declared {personal} in a product of class directly_identifying; say {why}"
        ):
            product.dataset(schema=Count, personal=personal, name="counts")(lambda: None)
    with pytest.raises(DeclarationError, match="'harmless' is no personal-data class"):
        product.dataset(schema=Count, personal="harmless", name="counts")(lambda: None)
    product.dataset(schema=Count, personal="none", personal_reason="Only counts.", name="counts")(lambda: None)
    assert product.datasets["counts"].declaration.personal_reason == "Only counts."


def test_refused_rows_wait_until_the_rest_was_looked_at(product: Any, materialize: Callable[..., Any]) -> None:
    notes(product, lambda: rows(*TEXTS[:30], "x" * 81, PERSONS[0]), quarantine=True)
    run = materialize(product, "notes")
    assert not run.success
    lake = Path(os.environ["DATAPRODUCTS_HOME"]) / "lake"
    assert Quarantine(str(lake), "shop/notes").rows().is_empty()


def test_a_replay_is_looked_at_as_any_other_version(store: Callable[..., Any], lake: str) -> None:
    def contract(longest: int, version: str = "1.0.0") -> dp.Contract:
        schema = pa.DataFrameSchema({"id": pa.Column(pl.Int64), "note": pa.Column(str, pa.Check.str_length(max_value=longest))})
        return dp.Contract.of(schema, dataset="shop/notes", key="id", version=version)

    store(contract(60), {"-": rows(*TEXTS[:20], f"{'x' * 60} {PERSONS[0]}")}, refused_share=1.0)
    history = DatasetHistory(lake, "shop/notes")
    with pytest.raises(ContractBreach, match="column 'note' holds national identity numbers") as refused:
        Quarantine(lake, "shop/notes").replay(history, contract(90, "1.1.0"))
    assert PERSONS[0] not in str(refused.value)
    assert [v.number for v in history.refresh().versions()] == [1]
    assert Quarantine(lake, "shop/notes").rows(only_open=True).height == 1


def test_a_value_of_the_wrong_type_is_not_quoted_where_it_is_a_persons(store: Callable[..., Any], declare: Callable[..., Any]) -> None:
    contract = declare({"n": pl.Decimal(4, 2)})
    report = store(contract, {"a": pl.DataFrame({"n": [int(PERSONS[0])]}), "b": pl.DataFrame({"n": [123_456]})}, lenient=True)
    assert "holds a value (personal, not shown), which is no" in report.outcomes["a"].error
    assert "holds 123456, which is no" in report.outcomes["b"].error
