"""A dlt source: its rows through the contract, its state with the versions, and no pipeline or destination of dlt's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import dlt
import pandera.polars as pa
import polars as pl
import pytest

import dataproducts as dp
from dataproducts.errors import DeclarationError
from tests.ports.inputs.conftest import DAYS, Fed


class Issue(pa.DataFrameModel):
    """An issue."""

    number: int = dp.column("Number.", source="number")
    author: str = dp.column("Who.", source="user.login", nullable=True)
    at: Annotated[pl.Datetime, "us", "UTC"] = dp.column("When it changed.", source="updated", nullable=True)


def day(number: int) -> str:
    return str(date(2026, 1, 1) + timedelta(days=number))


def moment(number: int) -> datetime:
    return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=number)


class Tracker:
    """Somebody else's API, as a dlt source with two resources."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = []
        self.asked: list[Any] = []

    def add(self, *numbers: int) -> None:
        self.issues += [{"number": n, "user": {"login": f"u{n}"}, "updated": moment(n)} for n in numbers]

    def __call__(self) -> Any:
        tracker = self

        @dlt.source(name="tracker")
        def tracked() -> Any:
            @dlt.resource(name="issues")
            def issues(updated: Any = dlt.sources.incremental("updated", initial_value=moment(0))) -> Iterator[Any]:  # noqa: B008
                tracker.asked.append(updated.last_value)
                yield [i for i in tracker.issues if i["updated"] >= updated.last_value]

            @dlt.resource(name="labels")
            def labels() -> Iterator[Any]:
                yield {"name": "bug"}

            return issues, labels

        return tracked()


@pytest.fixture
def tracker() -> Tracker:
    return Tracker()


def test_each_partition_goes_on_from_the_state_the_one_before_left(lake: str, tracker: Tracker) -> None:
    source = dp.Dlt("issues", make=tracker, resource="issues", incremental=True)
    fed = Fed(lake, Issue, source, DAYS)
    tracker.add(1, 2)
    (first,) = fed.store(day(0))
    tracker.add(3)
    Fed(lake, Issue, source, DAYS).store(day(1), day(2))
    assert [fed.rows(day(n))["number"].to_list() for n in range(3)] == [[1, 2], [3], []]
    assert fed.rows(day(0)).row(0) == (1, "u1", moment(1))
    assert tracker.asked == [moment(0), moment(2), moment(3)]
    state = first.note["dlt"]["to"]["sources"]["tracker"]["resources"]["issues"]["incremental"]["updated"]
    assert "2026-01-01T02:00:00" in state["last_value"]
    assert fed.faults == {}


def test_only_the_newest_partition_can_be_made_again(lake: str, tracker: Tracker) -> None:
    fed = Fed(lake, Issue, dp.Dlt("issues", make=tracker, resource="issues", incremental=True), DAYS)
    tracker.add(1)
    fed.store(day(0))
    tracker.add(2)
    fed.store(day(1))
    assert f"was read on to '{day(1)}' and cannot go back" in fed.refused(day(0))
    tracker.add(3)
    fed.store(day(1))
    assert fed.rows(day(1))["number"].to_list() == [2, 3]
    fed.store(day(2))
    assert fed.rows(day(2)).height == 0
    assert "begins where" in fed.refused(day(5))


def test_a_failed_partition_leaves_the_state_where_it_was(lake: str, tracker: Tracker) -> None:
    fed = Fed(lake, Issue, dp.Dlt("issues", make=tracker, resource="issues", incremental=True), DAYS)
    tracker.add(1)
    fed.store(day(0))
    tracker.add(2)
    tracker.issues.append({"number": None, "updated": moment(3)})
    assert "number_required: 1" in fed.refused(day(1))
    tracker.issues.pop()
    fed.store(day(1))
    assert fed.rows(day(1))["number"].to_list() == [2]


def test_without_incremental_everything_is_read_each_time(lake: str, tracker: Tracker) -> None:
    fed = Fed(lake, Issue, dp.Dlt("issues", make=tracker, resource="issues"), key="number")
    tracker.add(1)
    fed.store()
    tracker.add(2)
    (version,) = fed.store()
    assert (version.number, version.note["rows_read"]) == (2, 2)
    assert tracker.asked == [moment(0), moment(0)]


def test_a_resource_may_give_records_lists_and_arrow(lake: str) -> None:
    @dlt.resource
    def mixed() -> Iterator[Any]:
        yield {"number": 1, "user": {"login": "a"}}
        yield [{"number": 2, "user": None}]
        yield pl.DataFrame({"number": [3], "user.login": ["c"]}).to_arrow()

    fed = Fed(lake, Issue, dp.Dlt("mixed", make=lambda: mixed))
    fed.store()
    assert sorted(fed.rows().select("number", "author").rows()) == [(1, "a"), (2, None), (3, "c")]


def test_a_source_without_a_state_fails_the_check(lake: str, tracker: Tracker) -> None:
    @dlt.resource
    def all_of_it() -> Iterator[Any]:
        yield {"number": 1}

    fed = Fed(lake, Issue, dp.Dlt("all", make=lambda: all_of_it, incremental=True), DAYS)
    fed.store(day(0))
    assert "keeps no state, so every partition reads all of it" in fed.faults["state"][day(0)]


def test_a_resource_that_was_renamed_fails_the_check(lake: str, tracker: Tracker) -> None:
    fed = Fed(lake, Issue, dp.Dlt("issues", make=tracker, resource="issues", incremental=True), DAYS)
    tracker.add(1)
    fed.store(day(0))

    @dlt.resource(name="others")
    def others(updated: Any = dlt.sources.incremental("updated", initial_value=moment(0))) -> Iterator[Any]:  # noqa: B008
        yield tracker.issues

    fed.source = dp.Dlt("issues", make=lambda: others, incremental=True)
    fed.store(day(1))
    assert f"did not go on from the state '{day(0)}' left it in" in fed.faults["state"][day(1)]


def test_what_fails_in_the_source_is_one_sentence_without_its_words(lake: str, tracker: Tracker) -> None:
    @dlt.resource
    def broken() -> Iterator[Any]:
        yield {"number": 1}
        raise ConnectionError("token=hemmelig")

    said = Fed(lake, Issue, dp.Dlt("broken", make=lambda: broken)).refused()
    assert "the dlt source broken failed with ConnectionError; see the run's log; nothing was stored" in said
    assert "hemmelig" not in said
    source = dp.Dlt("issues", make=tracker)
    assert "has the resources issues, labels; name one with resource=" in Fed(lake, Issue, source).refused()
    assert (
        "has no resource 'pulls'; its resources are issues, labels"
        in Fed(lake, Issue, dp.Dlt("i", make=tracker, resource="pulls")).refused()
    )


def test_states_need_partitions_that_follow_each_other(lake: str, tracker: Tracker) -> None:
    with pytest.raises(DeclarationError, match="incremental dlt source 'issues' needs partitions by time"):
        Fed(lake, Issue, dp.Dlt("issues", make=tracker, incremental=True)).contract


def test_no_pipeline_and_no_folder_of_dlt_is_made(lake: str, tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    tracker.add(1)
    Fed(lake, Issue, dp.Dlt("issues", make=tracker, resource="issues", incremental=True), DAYS).store(day(0))
    assert not (tmp_path / "dlt").exists()


def test_without_dlt_the_extra_is_named() -> None:
    code = """
import sys
sys.modules["dlt"] = None
import dataproducts as dp
from dataproducts.errors import ConfigurationError
source = dp.Dlt("issues", make=list)
class Contract: dataset = "shop/sales"
try:
    source.open(Contract, None, None, None, None, None)
except ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "shop/sales is fed by a dlt source, which needs dlt; install dataproducts[dlt]", done.stderr
