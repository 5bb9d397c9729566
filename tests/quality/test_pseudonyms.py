"""Pseudonyms are real HMACs, stable wherever the key is the same, joinable across a rotation; the raw value is nowhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataproducts as dp
from dataproducts.errors import ConfigurationError, ContractBreach, DeclarationError, UnknownDataset
from dataproducts.materialization import Limits, Materializer
from dataproducts.pseudonym import PATTERN, Key, Keys, Pseudonym, pseudonyms_of
from dataproducts.quality.links import Links
from dataproducts.quality.quarantine import Quarantine
from tests.quality.numbers import everything_under, identity

VARIABLE = "DATAPRODUCTS_PSEUDONYM_KEY_PERSON"
OLD, NEW = (base64.b64encode(bytes([b]) * 32).decode() for b in (1, 2))
RNG = random.Random(5)
PERSONS = [identity(RNG, month=80) for _ in range(40)]
PERSON = Pseudonym("person", digits=11)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"2026={OLD}")


def by_python(value: str, key: str = OLD, name: str = "2026") -> str:
    return f"{name}:{hmac.new(base64.b64decode(key), value.encode(), hashlib.sha256).hexdigest()}"


class Visit(pa.DataFrameModel):
    """A visit to an office."""

    id: int = dp.column("Number of the visit.", source="id", personal="none")
    person: str = dp.column("Whose it was.", source="visitor.fnr", pseudonym=PERSON)
    office: str = dp.column("Where.", source="office", personal="none", isin=["north", "south"])


CONTRACT = dp.Contract.of(Visit, dataset="shop/visits", key="id")


def visit(number: int, who: Any, office: str = "north") -> dict[str, Any]:
    return {"id": number, "visitor": {"fnr": who}, "office": office}


def stored(lake: str, dataset: str = "shop/visits") -> pl.DataFrame:
    from dataproducts.history.store import DatasetHistory

    history = DatasetHistory(lake, dataset)
    return history.collect(list(history.current().values())).sort("id")


# --- the value --------------------------------------------------------------------------------------------------------


@given(st.lists(st.text(max_size=200)), st.binary(min_size=32, max_size=100))
def test_it_is_the_hmac_sha256_of_the_text_under_the_key(texts: list[str], secret: bytes) -> None:
    found = Key("k", secret).digests(pl.Series(texts, dtype=pl.String))
    assert found.to_list() == [hmac.new(secret, t.encode(), hashlib.sha256).hexdigest() for t in texts]


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("01020312345", "01020312345"), (" 010203 12345\n", "01020312345"), ("010203-12345", "01020312345"), ("1020312345", "01020312345"),
        ("", None), ("   ", None), (None, None),
    ],
)  # fmt: skip
def test_the_same_number_written_otherwise_has_the_same_pseudonym(value: str | None, canonical: str | None) -> None:
    made, _ = pseudonyms_of([value, "x"], PERSON, Keys.of(PERSON, "shop/visits"))
    assert made[0] == (None if canonical is None else by_python(canonical))


def test_text_is_composed_and_space_around_it_does_not_count() -> None:
    made, _ = pseudonyms_of(["A\u030ase ", "\u00c5se", "åse"], Pseudonym("person"), Keys.of(PERSON, "shop/visits"))
    assert made[0] == made[1] == by_python("\u00c5se")
    assert made[2] != made[0]


def test_what_is_not_of_the_form_becomes_no_pseudonym_and_tells_as_little() -> None:
    made, _ = pseudonyms_of(["not a number", "123456789012"], PERSON, Keys.of(PERSON, "shop/visits"))
    for one in made:
        assert not re.match(PATTERN, one)
        assert re.fullmatch(r"!2026:[0-9a-f]{64}", one)


@pytest.mark.parametrize("repeats", [1, 50])
def test_many_equal_values_are_hashed_once_and_stay_in_their_places(repeats: int) -> None:
    values = [*PERSONS, None, ""] * repeats
    RNG.shuffle(values)
    made, links = pseudonyms_of(pl.Series("p", values), PERSON, Keys.of(PERSON, "shop/visits"))
    assert made.to_list() == [by_python(v) if v else None for v in values]
    assert made.name == "p"
    assert links is None


def test_a_pseudonym_stays_what_it_is() -> None:
    keys = Keys.of(PERSON, "shop/visits")
    once, _ = pseudonyms_of(PERSONS, PERSON, keys)
    assert pseudonyms_of(once, PERSON, keys)[0].to_list() == once.to_list()


# --- in a dataset -----------------------------------------------------------------------------------------------------


def test_it_is_the_same_in_every_partition_version_and_product(store: Callable[..., Any], lake: str) -> None:
    store(CONTRACT, {"a": [visit(1, PERSONS[0])], "b": [visit(2, f"{PERSONS[0][:6]} {PERSONS[0][6:]}")]})
    store(CONTRACT, {"a": [visit(1, PERSONS[0]), visit(3, int(PERSONS[0]))]}, run="again")
    assert stored(lake)["person"].to_list() == [by_python(PERSONS[0])] * 3

    class Elsewhere(pa.DataFrameModel):
        id: int = dp.column("Number.", personal="none")
        fnr: str = dp.column("Who.", pseudonym=dp.Pseudonym("person", digits=11), nullable=True)

    other = dp.Contract.of(Elsewhere, dataset="bank/loans", key="id")
    store(other, {"-": pd.DataFrame({"id": [1, 2, 3], "fnr": [PERSONS[0], None, PERSONS[1]]})})
    assert stored(lake, "bank/loans")["fnr"].to_list() == [by_python(PERSONS[0]), None, by_python(PERSONS[1])]


def test_the_raw_value_is_nowhere_not_even_of_refused_rows(
    product: Any, facts_file: Any, materialize: Any, home: Path, caplog: Any
) -> None:
    strangers = [visit(1, PERSONS[0]), visit(2, PERSONS[1], "moon"), visit(3, f"x{PERSONS[2]}x"), visit(4, {"nr": PERSONS[3]}),
                 {"id": 5, "visitor": PERSONS[4], "office": "north"}, PERSONS[5], [PERSONS[6]], visit(7, [PERSONS[7]]), visit(8, None),
                 {"id": "none", "visitor": {"fnr": PERSONS[8]}, "office": "north"}]  # fmt: skip
    product = dp.DataProduct(facts_file("bank", personal=True))
    refused = [
        (visit(20, PERSONS[9]), "odd"),
        (json.dumps(visit(21, PERSONS[10])), "odd"),
        (f"{{{PERSONS[11]}", "garbled"),
        (PERSONS[12], "x"),
    ]
    caplog.set_level(logging.DEBUG)

    @product.dataset(schema=Visit, key="id", quarantine=1.0)
    def visits() -> dp.Result:
        return dp.Result(strangers, refused=refused)

    run = materialize(product, "visits")
    assert run.success, run.failure
    assert strangers[0] == visit(1, PERSONS[0])  # the author's own rows stay as they are
    lake = str(home / "lake")
    assert stored(lake, "bank/visits")["person"].to_list() == [by_python(PERSONS[0])]
    kept = Quarantine(lake, "bank/visits").rows()
    assert kept.height == 13
    written = everything_under(home) + run.text + caplog.text
    assert by_python(PERSONS[0]) in written
    assert by_python(PERSONS[1]) in written  # in quarantine
    assert not [p for p in PERSONS if p in written]


def test_refused_rows_are_replayed_without_the_key_and_with_the_same_pseudonym(
    store: Callable[..., Any], lake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataproducts.history.store import DatasetHistory

    store(CONTRACT, {"-": [visit(1, PERSONS[0]), visit(2, PERSONS[1], "west")]}, refused_share=1.0)

    class Wider(Visit):
        office: str = dp.column("Where.", source="office", personal="none", isin=["north", "south", "west"])

    monkeypatch.delenv(VARIABLE)
    wider = dp.Contract.of(Wider, dataset="shop/visits", key="id", version="1.1.0")
    (replayed,) = Quarantine(lake, "shop/visits").replay(DatasetHistory(lake, "shop/visits"), wider)
    assert (replayed.passed, replayed.remaining) == (1, 0)
    assert stored(lake)["person"].to_list() == [by_python(PERSONS[0]), by_python(PERSONS[1])]


def test_a_frame_of_other_types_is_refused_and_whole_numbers_are_not(store: Callable[..., Any], lake: str) -> None:
    class Flat(pa.DataFrameModel):
        id: int = dp.column("Number.", personal="none")
        person: str = dp.column("Who.", pseudonym=PERSON)

    flat = dp.Contract.of(Flat, dataset="shop/flat", key="id")
    store(flat, {"-": pl.DataFrame({"id": [1], "person": [int(PERSONS[0])]})})
    assert stored(lake, "shop/flat")["person"].to_list() == [by_python(PERSONS[0])]
    report = store(flat, {"-": pl.DataFrame({"id": [1], "person": [1.5]})}, lenient=True)
    assert "column 'person' is made a pseudonym of Float64; return text or whole numbers" in report.outcomes["-"].error
    assert isinstance(report.outcomes["-"].cause, ContractBreach)


def test_a_record_within_a_frame_is_refused_before_it_is_kept_anywhere(store: Callable[..., Any], home: Path) -> None:
    frame = pl.DataFrame([visit(1, PERSONS[0])])
    report = store(CONTRACT, {"-": frame}, lenient=True, refused_share=1.0)
    assert "is made a pseudonym of 'visitor.fnr', which lies within 'visitor'" in report.outcomes["-"].error
    assert not home.exists() or PERSONS[0] not in everything_under(home)


def test_a_person_is_found_by_the_number(store: Callable[..., Any], lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store(CONTRACT, {"-": [visit(1, PERSONS[0])]})
    assert stored(lake)["person"].to_list() == [PERSON.of(f"{PERSONS[0][:6]} {PERSONS[0][6:]}")] == [PERSON.of(int(PERSONS[0]))]
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(ConfigurationError, match=f"pseudonyms of 'person': {VARIABLE} is not set"):
        PERSON.of(PERSONS[0])


def test_another_group_is_another_promise() -> None:
    class Elsewhere(Visit):
        person: str = dp.column("Whose it was.", source="visitor.fnr", pseudonym="visitor")

    assert dp.Contract.of(Elsewhere, dataset="shop/visits", key="id").fingerprint != CONTRACT.fingerprint


def test_columns_and_samples_say_that_it_is_a_pseudonym(facts_file: Any, materialize: Any) -> None:
    from dataproducts.formats.odcs import Terms, odcs
    from dataproducts.publication.describe import contract_facts

    product = dp.DataProduct(facts_file("bank", personal=True))
    product.dataset(schema=Visit, key="id", name="visits")(lambda: [visit(1, PERSONS[0])])
    contract = product.datasets["visits"].contract
    (spec,) = product.datasets["visits"].specs
    tags = {c.name: c.tags for c in spec.metadata["dagster/column_schema"].columns}
    assert tags["person"] == {"personal_data": "possibly_identifying", "pseudonym": "person"}
    described = {p["name"]: p for p in odcs(contract, None, Terms())["schema"][0]["properties"]}["person"]
    assert described["classification"] == "possibly_identifying"
    assert described["encryptedName"] == "person"
    assert {"property": "pseudonym", "value": {"group": "person", "method": "HMAC-SHA256", "digits": 11}} in described["customProperties"]
    assert [c.pseudonym for c in contract_facts(contract).columns] == [None, "person", None]
    run = materialize(product, "visits")
    assert by_python(PERSONS[0]) not in run.text  # neither sample nor profile


# --- keys -------------------------------------------------------------------------------------------------------------


def test_without_its_key_nothing_is_asked_for(facts_file: Any, materialize: Any, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.delenv(VARIABLE)
    product, asked = dp.DataProduct(facts_file("bank", personal=True)), []
    product.dataset(schema=Visit, key="id", name="visits", retries=3)(lambda: asked.append(1))
    run = materialize(product, "visits")
    assert run.failure == (
        f"bank/visits: {VARIABLE} is not set, and without it there are no pseudonyms; "
        "set it to NAME=KEY, the key being 32 random bytes in base64 (`openssl rand -base64 32`)"
    )
    assert not asked
    assert not (home / "lake").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not set"),
        ("only-a-key", "key 1 of {v} has no name"),
        ("Ny=" + OLD, "key 1 of {v} has no name"),
        ("a=%%%", "key 1 of {v} is not base64"),
        (f"a={OLD},b={base64.b64encode(b'short').decode()}", "key 2 of {v} has 5 bytes, and at least 32 are needed"),
        (f"a={OLD},a={NEW}", "two keys of the same name"),
        (f"a={OLD},b={OLD}", "the same key twice"),
    ],
)
def test_a_wrong_key_is_one_sentence_that_does_not_tell_it(text: str, said: str, monkeypatch: pytest.MonkeyPatch, lake: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ConfigurationError, match=re.escape(said.format(v=VARIABLE))) as refused:
        Materializer(lake, CONTRACT, Limits(), run="run", log=logging.getLogger())
    assert "\n" not in str(refused.value)
    assert not [part for part in re.findall(r"[A-Za-z0-9+/=]{6,}", text) if part in str(refused.value)]


def test_a_key_shows_its_name_alone() -> None:
    assert repr(Key("a", b"x" * 32)) == "Key(name='a')"


def test_a_join_reaches_across_a_rotation_while_both_keys_are_held(store: Callable[..., Any], lake: str, monkeypatch: Any) -> None:
    store(CONTRACT, {"2026": [visit(i, PERSONS[i]) for i in range(6)]})
    assert not Links(lake, "shop/visits").all().height
    monkeypatch.setenv(VARIABLE, f"2027={NEW},2026={OLD}")
    store(CONTRACT, {"2027": [visit(10 + i, PERSONS[i]) for i in range(2, 9)]})
    rows = stored(lake)
    before, after = rows.filter(pl.col("id") < 10)["person"], rows.filter(pl.col("id") >= 10)["person"]
    assert after[0] == by_python(PERSONS[2], NEW, "2027")
    assert not set(before) & set(after)

    monkeypatch.setenv(VARIABLE, f"2027={NEW}")  # the period is over: what was linked stays linked
    translated = dp.translate(before, "shop/visits")
    assert translated.to_list() == [by_python(p) for p in PERSONS[:2]] + [by_python(p, NEW, "2027") for p in PERSONS[2:6]]
    assert len(set(translated) & set(after)) == 4
    pandas = pd.Series(before.to_list(), index=range(3, 9), name="person")
    assert dp.translate(pandas, "shop/visits").equals(pd.Series(translated.to_list(), index=range(3, 9), name="person"))
    assert not [p for p in PERSONS if p in everything_under(Path(lake))]


def test_two_rotations_are_followed_to_the_newest(store: Callable[..., Any], lake: str, monkeypatch: Any) -> None:
    newest = base64.b64encode(bytes([3]) * 32).decode()
    for name, key, former in (("2027", NEW, f",2026={OLD}"), ("2028", newest, f",2027={NEW}")):
        monkeypatch.setenv(VARIABLE, f"{name}={key}{former}")
        store(CONTRACT, {"-": [visit(1, PERSONS[0])]}, run=name)
    first = pl.Series([by_python(PERSONS[0]), by_python(PERSONS[1]), None])
    assert dp.translate(first, "shop/visits").to_list() == [by_python(PERSONS[0], newest, "2028"), by_python(PERSONS[1]), None]
    with pytest.raises(UnknownDataset):
        dp.translate(first, "visits")


# --- declarations -----------------------------------------------------------------------------------------------------


def declared(**columns: tuple[Any, Any]) -> dp.Contract:
    names = {name: kind for name, (kind, _) in columns.items()}
    fields = {name: spec for name, (_, spec) in columns.items()}
    model = type("Model", (pa.DataFrameModel,), {"__annotations__": names, **fields})
    return dp.Contract.of(model, dataset="shop/visits")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": (str, dp.column("A.", source="fnr", pseudonym="p")), "b": (str, dp.column("B.", source="fnr"))}, "two columns take the source field 'fnr'"),
        ({"a": (str, dp.column("A.", source="fnr", pseudonym="p")), "fnr": (str, dp.column("B."))}, "'a' is the pseudonym of 'fnr', which column 'fnr' takes too"),
        (
            {"a": (str, dp.column("A.", source="who.fnr", pseudonym="p")), "b": (pl.Struct({"fnr": pl.String}), dp.column("B.", source="who"))},
            "'a' is the pseudonym of 'who.fnr', which column 'b' takes too",
        ),
        ({"a": (int, dp.column("A.", pseudonym="p"))}, "is a pseudonym, which is a text"),
        ({"a": (str, dp.column("A.", source="*", pseudonym="p"))}, "is a pseudonym, which is a text"),
        ({"a": (str, dp.column("A.", pseudonym="p", personal="none"))}, "a pseudonym still is a person's"),
    ],
)  # fmt: skip
def test_a_pseudonym_that_would_not_be_one_is_refused(columns: Any, said: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(said)):
        declared(**columns)


@pytest.mark.parametrize("wrong", [("Person", None), ("my group", None), ("p", 0), ("p", 65)])
def test_a_group_has_a_name_and_a_number_has_digits(wrong: tuple[str, int | None]) -> None:
    with pytest.raises(DeclarationError):
        Pseudonym(*wrong)


def test_a_product_without_persons_has_no_pseudonyms(product: Any) -> None:
    with pytest.raises(DeclarationError, match="declared to hold no personal data, but column 'person' is classed possibly_identifying"):
        product.dataset(schema=Visit, key="id", name="visits")(list)


def test_a_history_of_pseudonyms_has_them_too(facts_file: Any, materialize: Any, home: Path) -> None:
    product = dp.DataProduct(facts_file("bank", personal=True))
    daily = dg.DailyPartitionsDefinition("2026-01-01")
    product.dataset(schema=Visit, key="id", name="visits", kind="snapshot", partitions=daily)(lambda: [visit(1, PERSONS[0])])
    product.history(product.datasets["visits"])
    assert materialize(product, "visits", "visits_history", partition="2026-01-01").success
    assert dp.read("bank/visits_history")["person"].tolist() == [by_python(PERSONS[0])]


def test_the_documentation_declares_what_it_says(facts_file: Any, materialize: Any) -> None:
    text = (Path(__file__).parents[2] / "docs" / "personal-data.md").read_text()
    (block,) = [b for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "class Visit" in b]
    rows = [{"id": n, "visitor": {"fnr": PERSONS[n]}, "municipality": "0301", "age": "30-39"} for n in range(5)]
    product = dp.DataProduct(facts_file("office", personal=True))
    exec(block.replace("...", f"return {rows!r}"), {"dp": dp, "pa": pa, "product": product})
    assert materialize(product, "visits").success
    assert dp.read("office/visits")["person"].tolist() == [by_python(p) for p in PERSONS[:5]]
