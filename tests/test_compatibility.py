"""What a change means to those who use the data: every kind of change, both ways, and the version it needs."""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Iterator
from datetime import date
from typing import Any

import pandera.polars as pa
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import dataproducts as dp
from dataproducts.compatibility import Change, compare, required_version, verdict
from dataproducts.contract import SemVer
from dataproducts.errors import ContractBreach, DeclarationError
from dataproducts.formats.odcs import Terms, dump, load, odcs
from dataproducts.history.content import spelled
from dataproducts.history.store import DatasetHistory, Draft
from dataproducts.product_facts import ProductFacts

FACTS = {
    "name": "kaffe",
    "title": {"nb": "Kaffe"},
    "description": {"nb": "Kopper per dag."},
    "status": "active",
    "team": "team-kaffe",
    "contact": {"name": "Team Kaffe", "email": "kaffe@example.com"},
    "personal_data": {"class": "none", "reason": "Cups are counted, not people."},
    "access": {"level": "restricted", "can_read": ["analyse", "kantina"], "can_request": ["alle-ansatte"]},
    "license": "NLOD_2_0",
    "publisher": {"name": "Kaffeetaten", "organization_number": "800000017"},
    "themes": ["GOVE"],
    "keywords": ["kopper"],
    "periodicity": "DAILY",
}
Document = dict[str, Any]


def col(dtype: Any = str, *checks: pa.Check, nullable: bool = False, **facts: Any) -> pa.Column:
    own = {key: facts.pop(key) for key in ("source", "personal", "unit", "time_zone", "examples") if key in facts}
    return pa.Column(dtype, list(checks), nullable=nullable, metadata={"dataproducts": own}, **facts)


def doc(
    columns: dict[str, pa.Column] | None = None,
    *,
    key: tuple[str, ...] = ("nummer",),
    version: str = "1.0.0",
    rows: tuple[pa.Check, ...] = (),
    facts: dict[str, Any] | None = None,
    **terms: Any,
) -> Document:
    """The document of a dataset with a key, `nummer` and `dag`, and these columns."""
    declared = {"nummer": col(), "dag": col(pl.Date), **(columns or {})}
    contract = dp.Contract.of(pa.DataFrameSchema(declared, checks=list(rows)), dataset="kaffe/kopper", key=key, version=version)
    return odcs(contract, ProductFacts.model_validate(FACTS | (facts or {})), Terms(**terms))


def a(dtype: Any = str, *checks: pa.Check, **facts: Any) -> Document:
    return doc({"a": col(dtype, *checks, **facts)})


def struct(**parts: Any) -> pl.List:
    return pl.List(pl.Struct(parts))


def warn(limit: int) -> pa.Check:
    return pa.Check.ge(limit, raise_warning=True)


def texts(changes: list[Change]) -> list[tuple[str, str]]:
    return [(change.level, change.text) for change in changes]


B, C, E = "breaking", "compatible", "editorial"
column = "column 'a'"
CHANGES: dict[str, tuple[Document, Document, list[tuple[str, str]], list[tuple[str, str]]]] = {
    # name: one document, another, changes from the first to the second, changes from the second to the first
    "a column": (doc(), a(), [(C, "column 'a' was added")], [(B, "column 'a' was removed")]),
    "a renamed column, by its source": (
        a(source="x"),
        doc({"helt_annet": col(source="x")}),
        [(B, "column 'a' was removed (renamed to 'helt_annet'?)"), (C, "column 'helt_annet' was added")],
        [(B, "column 'helt_annet' was removed (renamed to 'a'?)"), (C, "column 'a' was added")],
    ),
    "a renamed column, by its name": (
        doc({"adresse": col()}),
        doc({"adressen": col(), "land": col()}),
        [
            (B, "column 'adresse' was removed (renamed to 'adressen'?)"),
            (C, "column 'adressen' was added"),
            (C, "column 'land' was added"),
        ],
        [
            (B, "column 'adressen' was removed (renamed to 'adresse'?)"),
            (B, "column 'land' was removed"),
            (C, "column 'adresse' was added"),
        ],
    ),
    "no rename where the type differs": (
        doc({"adresse": col()}),
        doc({"adressen": col(int)}),
        [(B, "column 'adresse' was removed"), (C, "column 'adressen' was added")],
        [(B, "column 'adressen' was removed"), (C, "column 'adresse' was added")],
    ),
    "the type": (
        a(str),
        a(int),
        [(B, f"the type of {column} changed from string to long")],
        [(B, f"the type of {column} changed from long to string")],
    ),
    "the precision of a decimal": (
        a(pl.Decimal(20, 2)),
        a(pl.Decimal(30, 2)),
        [(B, f"the type of {column} changed from decimal(20,2) to decimal(30,2)")],
        [(B, f"the type of {column} changed from decimal(30,2) to decimal(20,2)")],
    ),
    "text and bytes": (
        a(str),
        a(pl.Binary),
        [(B, f"the type of {column} changed from string to binary")],
        [(B, f"the type of {column} changed from binary to string")],
    ),
    "required": (
        a(nullable=True),
        a(nullable=False),
        [(C, f"{column} is now required")],
        [(B, f"{column} may now be missing")],
    ),
    "unique": (a(), a(unique=True), [(C, f"{column} is now unique")], [(B, f"{column} is no longer unique")]),
    "a limit": (
        a(int),
        a(int, pa.Check.ge(0)),
        [(C, f"the lower limit of {column} is now 0")],
        [(B, f"the lower limit of {column}, 0, was removed")],
    ),
    "a tighter lower limit": (
        a(int, pa.Check.ge(-5)),
        a(int, pa.Check.ge(10)),
        [(C, f"the lower limit of {column} was tightened from -5 to 10")],
        [(B, f"the lower limit of {column} was widened from 10 to -5")],
    ),
    "a tighter upper limit": (
        a(float, pa.Check.lt(100.5)),
        a(float, pa.Check.le(100)),
        [(C, f"the upper limit of {column} was tightened from below 100.5 to 100")],
        [(B, f"the upper limit of {column} was widened from 100 to below 100.5")],
    ),
    "a limit that leaves itself out": (
        a(float, pa.Check.ge(0)),
        a(float, pa.Check.gt(0)),
        [(C, f"the lower limit of {column} was tightened from 0 to above 0")],
        [(B, f"the lower limit of {column} was widened from above 0 to 0")],
    ),
    "the same limit in other words": (
        a(int, pa.Check.gt(0)),
        a(int, pa.Check.ge(1)),
        [(E, f"the lower limit of {column} was rewritten from above 0 to 1")],
        [(E, f"the lower limit of {column} was rewritten from 1 to above 0")],
    ),
    "a limit in time": (
        a(pl.Date, pa.Check.ge(date(1999, 12, 31))),
        a(pl.Date, pa.Check.ge(date(2000, 1, 1))),
        [(C, f"the lower limit of {column} was tightened from '1999-12-31' to '2000-01-01'")],
        [(B, f"the lower limit of {column} was widened from '2000-01-01' to '1999-12-31'")],
    ),
    "a length": (
        a(str, pa.Check.str_length(1, 20)),
        a(str, pa.Check.str_length(2, 10)),
        [
            (C, f"the greatest length of {column} was tightened from 20 to 10"),
            (C, f"the least length of {column} was tightened from 1 to 2"),
        ],
        [
            (B, f"the greatest length of {column} was widened from 10 to 20"),
            (B, f"the least length of {column} was widened from 2 to 1"),
        ],
    ),
    "a pattern": (
        a(str),
        a(str, pa.Check.str_matches("^x")),
        [(C, f"the pattern of {column} is now '^x'")],
        [(B, f"the pattern of {column}, '^x', was removed")],
    ),
    "another pattern": (
        a(str, pa.Check.str_matches("^x")),
        a(str, pa.Check.str_matches("^xy")),
        [(B, f"the pattern of {column} changed from '^x' to '^xy'")],
        [(B, f"the pattern of {column} changed from '^xy' to '^x'")],
    ),
    "a code list": (
        a(str),
        a(str, pa.Check.isin(["te"])),
        [(C, f"rule 'a_isin' of {column} was added")],
        [(B, f"rule 'a_isin' of {column} was removed")],
    ),
    "a new code": (
        a(str, pa.Check.isin(["te", "kaffe"])),
        a(str, pa.Check.isin(["kaffe", "vann", "te"])),
        [(B, f"{column} may now hold 'vann'")],
        [(C, f"{column} no longer holds 'vann'")],
    ),
    "a forbidden value": (
        a(str, pa.Check.notin(["te"])),
        a(str, pa.Check.notin(["te", "øl"])),
        [(C, f"{column} no longer holds 'øl'")],
        [(B, f"{column} may now hold 'øl'")],
    ),
    "a list of one code and one value": (
        a(str, pa.Check.isin(["te", "kaffe"])),
        a(str, pa.Check.eq("te")),
        [(C, f"{column} no longer holds 'kaffe'"), (E, f"the id of rule 'a_equal_to' of {column} changed")],
        [(B, f"{column} may now hold 'kaffe'"), (E, f"the id of rule 'a_isin' of {column} changed")],
    ),
    "a rule over rows": (
        doc(),
        doc(rows=(pa.Check(lambda data: data, name="hot", error="coffee is hot"),)),
        [(C, "rule 'hot' was added")],
        [(B, "rule 'hot' was removed")],
    ),
    "the words of a rule": (
        doc(rows=(pa.Check(lambda data: data, name="hot", error="coffee is hot"),)),
        doc(rows=(pa.Check(lambda data: data, name="hot", error="coffee is warm"),)),
        [(C, "the description of rule 'hot' changed from 'coffee is hot' to 'coffee is warm'")],
        [(C, "the description of rule 'hot' changed from 'coffee is warm' to 'coffee is hot'")],
    ),
    "a rule that only warns": (
        a(int),
        a(int, warn(0)),
        [(C, f"rule 'a_greater_than_or_equal_to' of {column} was added")],
        [(C, f"rule 'a_greater_than_or_equal_to' of {column} was removed")],
    ),
    "the limit of a rule that only warns": (
        a(int, warn(0)),
        a(int, warn(5)),
        [(C, f"the lower limit of rule 'a_greater_than_or_equal_to' of {column} was tightened from 0 to 5")],
        [(C, f"the lower limit of rule 'a_greater_than_or_equal_to' of {column} was widened from 5 to 0")],
    ),
    "a rule that stops and one that warns": (
        a(str, pa.Check.isin(["te"])),
        a(str, pa.Check.isin(["te"], raise_warning=True)),
        [(B, f"rule 'a_isin' of {column} now only warns")],
        [(C, f"rule 'a_isin' of {column} is now an error, no longer a warning")],
    ),
    "the key": (
        doc(),
        doc(key=("nummer", "dag")),
        [(B, "the key changed from (nummer) to (nummer, dag)")],
        [(B, "the key changed from (nummer, dag) to (nummer)")],
    ),
    "a first key": (
        doc(key=()),
        doc(),
        [(C, "the key changed from () to (nummer)")],
        [(B, "the key changed from (nummer) to ()")],
    ),
    "the unit": (
        a(int, unit="NOK"),
        a(int, unit="NOK 1000"),
        [(B, f"the unit of {column} changed from 'NOK' to 'NOK 1000'")],
        [(B, f"the unit of {column} changed from 'NOK 1000' to 'NOK'")],
    ),
    "a unit stated": (
        a(int),
        a(int, unit="NOK"),
        [(C, f"the unit of {column} is now 'NOK'")],
        [(B, f"the unit of {column}, 'NOK', was removed")],
    ),
    "the partitioning": (
        doc(partitioning="daily"),
        doc(partitioning="monthly"),
        [(B, "the partitioning changed from 'daily' to 'monthly'")],
        [(B, "the partitioning changed from 'monthly' to 'daily'")],
    ),
    "partitioned or not": (
        doc(),
        doc(partitioning="daily"),
        [(B, "the partitioning is now 'daily'")],
        [(B, "the partitioning, 'daily', was removed")],
    ),
    "the kind": (
        doc(kind="table"),
        doc(kind="snapshot"),
        [(B, "the kind changed from 'table' to 'snapshot'")],
        [(B, "the kind changed from 'snapshot' to 'table'")],
    ),
    "the quarantine": (
        doc(),
        doc(quarantine=True),
        [(B, "rows that break a rule are now kept aside")],
        [(C, "rows that break a rule are no longer kept aside")],
    ),
    "the class of a column": (
        a(personal="possibly_identifying"),
        a(personal="special_category"),
        [(B, f"the personal-data class of {column} changed from 'possibly_identifying' to 'special_category'")],
        [(C, f"the personal-data class of {column} changed from 'special_category' to 'possibly_identifying'")],
    ),
    "a first class of a column": (
        a(),
        a(personal="confidential"),
        [(B, f"the personal-data class of {column} is now 'confidential'")],
        [(C, f"the personal-data class of {column}, 'confidential', was removed")],
    ),
    "a class without order": (
        a(personal="confidential"),
        a(personal="anonymized"),
        [(B, f"the personal-data class of {column} changed from 'confidential' to 'anonymized'")],
        [(B, f"the personal-data class of {column} changed from 'anonymized' to 'confidential'")],
    ),
    "no personal data, stated": (
        a(),
        a(personal="none"),
        [(E, f"the personal-data class of {column} is now 'none'")],
        [(E, f"the personal-data class of {column}, 'none', was removed")],
    ),
    "the class of the dataset": (
        doc(personal_data="none"),
        doc(personal_data="directly_identifying"),
        [(B, "the personal-data class changed from 'none' to 'directly_identifying'")],
        [(C, "the personal-data class changed from 'directly_identifying' to 'none'")],
    ),
    "the access": (
        doc(access="internal"),
        doc(access="restricted"),
        [(B, "the access changed from 'internal' to 'restricted'")],
        [(C, "the access changed from 'restricted' to 'internal'")],
    ),
    "a reader": (
        doc(),
        doc(facts={"access": {"can_read": ["analyse"], "can_request": ["alle-ansatte"]}}),
        [(B, "'kantina' may no longer read")],
        [(E, "'kantina' may now read")],
    ),
    "one who may ask": (
        doc(),
        doc(facts={"access": {"can_read": ["analyse", "kantina"]}}),
        [(E, "'alle-ansatte' may no longer request")],
        [(E, "'alle-ansatte' may now request")],
    ),
    "a licence that asks more": (
        doc(),
        doc(facts={"license": "CC_BYSA_4_0"}),
        [
            (
                B,
                "the license changed from 'Norwegian Licence for Open Government Data 2.0' to "
                "'Creative Commons Attribution-ShareAlike 4.0 International'",
            )
        ],
        [
            (
                C,
                "the license changed from 'Creative Commons Attribution-ShareAlike 4.0 International' to "
                "'Norwegian Licence for Open Government Data 2.0'",
            )
        ],
    ),
    "an unknown licence": (
        doc(),
        doc(facts={"license": {"name": "Own", "uri": "https://example.com/terms"}}),
        [(B, "the license changed from 'Norwegian Licence for Open Government Data 2.0' to 'Own'")],
        [(B, "the license changed from 'Own' to 'Norwegian Licence for Open Government Data 2.0'")],
    ),
    "the freshness": (
        doc(freshness="PT24H"),
        doc(freshness="P1DT1H"),
        [(B, "the freshness changed from 'PT24H' to 'P1DT1H'")],
        [(C, "the freshness changed from 'P1DT1H' to 'PT24H'")],
    ),
    "the freshness, in other words": (
        doc(freshness="PT36H"),
        doc(freshness="36 hours"),
        [(E, "the freshness changed from 'PT36H' to '36 hours'")],
        [(E, "the freshness changed from '36 hours' to 'PT36H'")],
    ),
    "a freshness nobody can order": (
        doc(freshness="at seven"),
        doc(freshness="at six"),
        [(B, "the freshness changed from 'at seven' to 'at six'")],
        [(B, "the freshness changed from 'at six' to 'at seven'")],
    ),
    "a freshness promised": (
        doc(),
        doc(freshness="P1D"),
        [(C, "the freshness is now 'P1D'")],
        [(B, "the freshness, 'P1D', was removed")],
    ),
    "how often": (
        doc(),
        doc(facts={"periodicity": "WEEKLY"}),
        [(B, "the frequency changed from 'DAILY' to 'WEEKLY'")],
        [(C, "the frequency changed from 'WEEKLY' to 'DAILY'")],
    ),
    "the retention": (
        doc(),
        doc(retention="P1Y"),
        [(B, "the retention changed from 'unlimited' to 'P1Y'")],
        [(C, "the retention changed from 'P1Y' to 'unlimited'")],
    ),
    "a port": (
        doc(ports=("bigquery",)),
        doc(ports=("kafka", "bigquery")),
        [(C, "port 'kafka' was added")],
        [(B, "port 'kafka' was removed")],
    ),
    "retired": (
        doc(),
        doc(facts={"status": "retired"}),
        [(B, "the status changed from 'active' to 'retired'")],
        [(E, "the status changed from 'retired' to 'active'")],
    ),
    "deprecated": (
        doc(),
        doc(facts={"status": "deprecated"}),
        [(C, "the status changed from 'active' to 'deprecated'")],
        [(E, "the status changed from 'deprecated' to 'active'")],
    ),
    "the source of a column": (
        a(source="x"),
        a(source="y"),
        [(C, f"the source of {column} changed from 'x' to 'y'")],
        [(C, f"the source of {column} changed from 'y' to 'x'")],
    ),
    "the description of a column": (
        a(description="One"),
        a(description="Two"),
        [(E, f"the description of {column} changed")],
        [(E, f"the description of {column} changed")],
    ),
    "the title and examples of a column": (
        a(title="One", examples=(1,)),
        a(title="Two", examples=(2,)),
        [(E, f"the examples of {column} changed"), (E, f"the title of {column} changed")],
        [(E, f"the examples of {column} changed"), (E, f"the title of {column} changed")],
    ),
    "the description of the dataset": (
        doc(description="One", title="En"),
        doc(description="Two", title="To"),
        [(E, "the title changed"), (E, "the description changed")],
        [(E, "the title changed"), (E, "the description changed")],
    ),
    "owner and tags": (
        doc(),
        doc(facts={"team": "team-te", "keywords": ["te"]}),
        [(E, "the tags changed"), (E, "the team changed")],
        [(E, "the tags changed"), (E, "the team changed")],
    ),
    "a part of a nested record": (
        a(struct(gate=pl.String)),
        a(struct(gate=pl.String, by=pl.String)),
        [(B, "column 'a[].by' was added")],
        [(B, "column 'a[].by' was removed")],
    ),
    "the order of the parts of a record": (
        a(struct(gate=pl.String, by=pl.String)),
        a(struct(by=pl.String, gate=pl.String)),
        [(B, "the order of the parts of column 'a[]' changed")],
        [(B, "the order of the parts of column 'a[]' changed")],
    ),
    "a renamed part": (
        a(struct(gate=pl.String)),
        a(struct(gaten=pl.String)),
        [(B, "column 'a[].gate' was removed (renamed to 'a[].gaten'?)"), (B, "column 'a[].gaten' was added")],
        [(B, "column 'a[].gate' was added"), (B, "column 'a[].gaten' was removed (renamed to 'a[].gate'?)")],
    ),
    "the type deep inside": (
        a(struct(hus=pl.Struct({"nr": pl.List(pl.Int64)}))),
        a(struct(hus=pl.Struct({"nr": pl.List(pl.Float64)}))),
        [(B, "the type of column 'a[].hus.nr[]' changed from long to double")],
        [(B, "the type of column 'a[].hus.nr[]' changed from double to long")],
    ),
    "a value or a list of values": (
        a(pl.String),
        a(pl.List(pl.String)),
        [(B, f"the type of {column} changed from string to array")],
        [(B, f"the type of {column} changed from array to string")],
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_judged_by_what_it_does_to_consumers(name: str) -> None:
    one, other, forward, backward = CHANGES[name]
    assert texts(compare(one, other)) == forward
    assert texts(compare(other, one)) == backward


def test_a_column_that_goes_and_a_key_that_goes_with_it_are_both_named() -> None:
    before, after = doc({"a": col()}, key=("nummer", "a")), doc()
    assert [change.where for change in compare(before, after)] == ["a", "key"]


def test_a_reader_who_loses_nothing_is_no_breach() -> None:
    opened = doc(access="open")
    assert texts(compare(doc(access="restricted"), opened))[0] == (C, "the access changed from 'restricted' to 'open'")
    assert B not in {change.level for change in compare(doc(access="restricted"), opened)}


def test_another_class_of_personal_data_in_the_product_is_breaking() -> None:
    before = doc(facts={"personal_data": {"class": "special_category"}})
    after = doc(facts={"personal_data": {"class": "special_category", "also": ["confidential"]}})
    assert texts(compare(before, after)) == [(B, "personal-data class 'confidential' was added")]
    assert texts(compare(after, before)) == [(C, "personal-data class 'confidential' was removed")]


def test_a_fact_that_nobody_knows_how_to_judge_is_a_promise() -> None:
    before, after = doc(), doc()
    before["schema"][0]["properties"][0]["encryptedName"] = "x"
    assert texts(compare(before, after)) == [(B, "the encryptedName of column 'nummer', 'x', was removed")]
    assert texts(compare(after, before)) == [(C, "the encryptedName of column 'nummer' is now 'x'")]


def test_another_dataset_under_the_same_file_is_breaking() -> None:
    other = doc() | {"name": "kaffe/kanner", "id": "kaffe-kanner"}
    assert (B, "the name changed from 'kaffe/kopper' to 'kaffe/kanner'") in texts(compare(doc(), other))


def test_a_table_removed_from_a_document_is_breaking() -> None:
    two = doc()
    two["schema"].append(dict(two["schema"][0], name="kanner"))
    assert texts(compare(two, doc())) == [(B, "table 'kanner' was removed")]
    assert texts(compare(doc(), two)) == [(C, "table 'kanner' was added")]


# The version


@pytest.mark.parametrize(
    ("levels", "needed"),
    [((), "1.4.2"), ((E,), "1.4.2"), ((C, E), "1.5.0"), ((E, C, B), "2.0.0"), ((B,), "2.0.0")],
)
def test_the_gravest_change_decides_the_version(levels: tuple[Any, ...], needed: str) -> None:
    changes = [Change(level, "x", "x") for level in levels]
    assert str(required_version(SemVer(1, 4, 2), changes)) == needed


def test_a_promise_below_one_is_a_promise() -> None:
    assert required_version(SemVer(0, 3, 1), [Change("breaking", "x", "x")]) == SemVer(1, 0, 0)


def test_a_breaking_change_without_a_major_version_fails_and_says_what_to_do() -> None:
    found = verdict(doc({"navn": col()}, version="1.1.0"), doc(version="1.1.0"))
    assert not found.ok
    assert found.needed == SemVer(2, 0, 0)
    assert found.message == (
        "kaffe/kopper: 1 breaking change (column 'navn' was removed) needs version 2.0.0, but the schema says 1.1.0; "
        "raise it, then run `dataproducts contract freeze`"
    )


def test_a_minor_version_is_not_enough_for_a_breaking_change() -> None:
    assert not verdict(doc({"a": col()}), doc(version="1.9.0")).ok
    assert verdict(doc({"a": col()}), doc(version="2.0.0")).ok
    assert verdict(doc({"a": col()}), doc(version="3.1.0")).ok


def test_a_compatible_change_at_the_same_version_fails_and_names_the_next_one() -> None:
    found = verdict(doc(), doc({"a": col()}))
    assert not found.ok
    assert "1 compatible change (column 'a' was added) needs version 1.1.0, but the schema says 1.0.0" in found.message
    assert "run `dataproducts contract freeze`" in found.message


def test_a_patch_is_not_enough_for_a_compatible_change() -> None:
    assert not verdict(doc(), doc({"a": col()}, version="1.0.1")).ok


def test_a_raised_version_passes_and_asks_to_be_frozen() -> None:
    found = verdict(doc(), doc({"a": col()}, version="1.1.0"))
    assert found.ok
    assert not found.is_frozen
    assert found.message == (
        "kaffe/kopper: 1 compatible change (column 'a' was added) fits version 1.1.0; "
        "run `dataproducts contract freeze` to make it the promise"
    )


def test_an_editorial_change_may_stay_at_its_version() -> None:
    found = verdict(doc(), doc(description="Better words"))
    assert found.ok
    assert not found.is_frozen


def test_a_version_below_the_frozen_one_fails() -> None:
    found = verdict(doc(version="1.1.0"), doc(version="1.0.9"))
    assert not found.ok
    assert found.message == (
        "kaffe/kopper: the schema says version 1.0.9, lower than the frozen 1.1.0; raise it to 1.1.0, "
        "then run `dataproducts contract freeze`"
    )
    both = verdict(doc({"a": col()}, version="1.1.0"), doc(version="1.0.0"))
    assert "and 1 breaking change (column 'a' was removed) needs 2.0.0; raise it to 2.0.0" in both.message


def test_nothing_changed_is_said_so() -> None:
    found = verdict(doc(), doc())
    assert found.ok
    assert found.is_frozen
    assert found.message == "kaffe/kopper: version 1.0.0 is as frozen"
    raised = verdict(doc(), doc(version="1.0.1"))
    assert raised.ok
    assert not raised.is_frozen
    assert "nothing changed but the version, from 1.0.0 to 1.0.1" in raised.message


def test_many_changes_are_counted_and_the_gravest_named() -> None:
    before = doc({name: col() for name in "abcde"})
    found = verdict(before, doc({"ny_kolonne": col(int)}, description="New"))
    assert (
        "5 breaking changes (column 'a' was removed; column 'b' was removed; column 'c' was removed; and 2 more), "
        "1 compatible change and 1 editorial change need version 2.0.0" in found.message
    )
    assert "\n" not in found.message


def test_a_version_that_is_none_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"not of the form MAJOR\.MINOR\.PATCH"):
        verdict(doc() | {"version": "1"}, doc())


# Whatever the contract


NAMES = st.text(alphabet="abcæøå_xyz", min_size=2, max_size=6).filter(lambda name: not name.startswith("_"))
TYPES = st.recursive(
    st.sampled_from([pl.String(), pl.Int64(), pl.Float64(), pl.Boolean(), pl.Date(), pl.Decimal(20, 2)]),
    lambda inner: inner.map(pl.List) | st.dictionaries(NAMES, inner, min_size=1, max_size=3).map(pl.Struct),
    max_leaves=4,
)


@st.composite
def columns(draw: st.DrawFn) -> pa.Column:
    dtype = draw(TYPES)
    checks = []
    if isinstance(dtype, pl.String) and draw(st.booleans()):
        checks.append(pa.Check.isin(draw(st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True))))
    if isinstance(dtype, pl.String) and draw(st.booleans()):
        checks.append(pa.Check.str_matches(draw(st.sampled_from(["^a", "b+"])), raise_warning=draw(st.booleans())))
    if isinstance(dtype, pl.Int64) and draw(st.booleans()):
        low, high = sorted((draw(st.integers(-9, 9)), draw(st.integers(-9, 9))))
        checks.append(pa.Check.in_range(low, high, raise_warning=draw(st.booleans())))
    return col(
        dtype,
        *checks,
        nullable=draw(st.booleans()),
        unit=draw(st.sampled_from([None, "NOK"])),
        personal=draw(st.sampled_from([None, "none", "confidential"])),
        description=draw(st.text(max_size=5)),
    )


@st.composite
def documents(draw: st.DrawFn) -> Document:
    return doc(
        draw(st.dictionaries(NAMES, columns(), max_size=4)),
        freshness=draw(st.sampled_from([None, "P1D", "PT36H", "soon"])),
        ports=tuple(draw(st.lists(st.sampled_from(["bigquery", "kafka", "files"]), unique=True))),
        access=draw(st.sampled_from([None, "open", "internal"])),
    )


def shuffled(block: Any, order: random.Random, within: bool = False) -> Any:
    """The block with its named entries, listed values and keys in another order; the parts of a column are its type and stay."""
    if isinstance(block, dict):
        keys = order.sample(list(block), len(block))
        found = {key: shuffled(block[key], order, within or key == "properties") for key in keys}
        for key in (*(() if within else ("properties",)), "quality", "customProperties", "slaProperties", "roles", "validValues", "ports"):
            if isinstance(found.get(key), list) and "metric" not in block and block.get("property") != "examples":
                order.shuffle(found[key])
        return found
    return [shuffled(entry, order, within) for entry in block] if isinstance(block, list) else block


@given(documents(), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_a_contract_is_no_change_from_itself_in_any_order(document: Document, order: random.Random) -> None:
    assert compare(document, copy.deepcopy(document)) == []
    assert compare(document, shuffled(document, order)) == []
    assert verdict(document, document).is_frozen


@given(documents(), documents(), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_the_order_of_columns_and_rules_changes_no_judgement(one: Document, two: Document, order: random.Random) -> None:
    expected = compare(one, two)
    assert compare(shuffled(one, order), shuffled(two, order)) == expected


@given(documents(), NAMES, columns())
@settings(max_examples=25, deadline=None)
def test_adding_a_column_is_compatible_and_taking_it_back_is_breaking(document: Document, name: str, added: pa.Column) -> None:
    more = copy.deepcopy(document)
    assume(name not in {column["name"] for column in document["schema"][0]["properties"]})
    more["schema"][0]["properties"].append(doc({name: added})["schema"][0]["properties"][-1])
    assert texts(compare(document, more)) == [(C, f"column '{name}' was added")]
    assert texts(compare(more, document)) == [(B, f"column '{name}' was removed")]


RECORD = {"gate": pl.String(), "nr": pl.Int64()}
RETYPED = {
    "a part more": (pl.Struct(RECORD), pl.Struct(RECORD | {"by": pl.String()})),
    "a part less": (pl.Struct(RECORD), pl.Struct({"gate": pl.String()})),
    "a part of another name": (pl.Struct(RECORD), pl.Struct({"gate": pl.String(), "number": pl.Int64()})),
    "a part of another type": (pl.Struct(RECORD), pl.Struct({"gate": pl.String(), "nr": pl.Float64()})),
    "parts in another order": (pl.Struct(RECORD), pl.Struct(dict(reversed(RECORD.items())))),
    "a part more within a list": (pl.List(pl.Struct(RECORD)), pl.List(pl.Struct(RECORD | {"by": pl.String()}))),
    "a part more within a part": (pl.Struct({"hus": pl.Struct(RECORD)}), pl.Struct({"hus": pl.Struct(RECORD | {"by": pl.String()})})),
    "a list of them": (pl.String(), pl.List(pl.String())),
    "more digits": (pl.Decimal(9, 2), pl.Decimal(20, 2)),
    "another scale": (pl.Decimal(9, 2), pl.Decimal(9, 3)),
    "larger numbers": (pl.Int64(), pl.Decimal(20, 0)),
    "a day as a time": (pl.Date(), pl.Datetime("us", "UTC")),
    "bytes": (pl.String(), pl.Binary()),
}


@pytest.mark.parametrize("what", RETYPED)
def test_what_the_store_refuses_within_a_major_version_is_breaking(what: str, lake: str) -> None:
    for was, now in (RETYPED[what], RETYPED[what][::-1]):
        history = DatasetHistory(f"{lake}/{was}", "kaffe/kopper")
        for version, dtype in (("1.0.0", was), ("1.1.0", now), ("2.0.0", now)):
            columns = {"nummer": col(), "a": col(dtype, nullable=True)}
            contract = dp.Contract.of(pa.DataFrameSchema(columns), dataset="kaffe/kopper", key="nummer", version=version)
            draft = Draft.of("-", pl.DataFrame({"nummer": [version], "a": [None]}, schema=dict(contract.dtypes)), contract)
            if version == "1.1.0":
                with pytest.raises(ContractBreach, match=r"column 'a' is stored as .*; a change of type needs version 2\.0\.0"):
                    history.commit([draft], contract)
            else:
                history.commit([draft], contract)
        assert "breaking" in {change.level for change in compare(a(was), a(now))}


@given(TYPES, TYPES)
@settings(max_examples=100, deadline=None)
def test_columns_of_two_types_are_stored_alike_or_their_change_is_breaking(was: pl.DataType, now: pl.DataType) -> None:
    breaking = "breaking" in {change.level for change in compare(a(was), a(now))}
    assert breaking == (spelled(was) != spelled(now))


def leaves(block: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every single value in a document."""
    entries = block.items() if isinstance(block, dict) else enumerate(block)
    for step, value in entries:
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, step))
        else:
            yield (*path, step)


def test_no_difference_is_passed_over() -> None:
    document = doc(
        {
            "a": col(str, pa.Check.isin(["te"]), pa.Check.str_matches("^t"), title="A", source="x", personal="none"),
            "b": col(int, pa.Check.in_range(0, 9), warn(2), unit="NOK", examples=(1,), unique=True),
            "c": col(struct(gate=pl.String, nr=pl.List(pl.Int64)), nullable=True),
            "d": col(pl.Datetime("us", "UTC"), time_zone="Europe/Oslo", nullable=True),
        },
        rows=(pa.Check(lambda data: data, name="hot", error="coffee is hot"),),
        title="Kopper",
        partitioning="daily",
        freshness="P1D",
        ports=("bigquery",),
    )
    told = 0
    for path in leaves(document):
        if "version" in path or "primaryKeyPosition" in path or path[:4] == ("schema", 0, "quality", 0):
            continue  # the version is for `verdict`; a key of one column has no order; its rule repeats the key
        changed = copy.deepcopy(document)
        block: Any = changed
        for step in path[:-1]:
            block = block[step]
        value = block[path[-1]]
        block[path[-1]] = not value if isinstance(value, bool) else value + ("x" if isinstance(value, str) else 1)
        assert compare(document, changed), f"a change of {path} is passed over"
        assert compare(changed, document), f"a change of {path} is passed over"
        told += 1
    assert told > 100


def test_what_is_frozen_and_read_back_is_no_change(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("contracts")
    for number, document in enumerate(itertools.chain.from_iterable(case[:2] for case in CHANGES.values())):
        path = folder / f"{number}.odcs.yaml"
        path.write_text(dump(document), encoding="utf-8")
        assert load(path) == document
        assert compare(load(path), document) == []
