"""The benchmarks run, at a size where their figures mean nothing."""

from __future__ import annotations

import json
import os
import re

import pytest
from click.testing import CliRunner, Result

from benchmarks.__main__ import NAMES, main
from benchmarks.measurement import Comparison, by_turns
from tests import bigquery, postgres


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


# CI sees that each of them runs; a person who runs the tests is not to wait for all
RUN = NAMES if os.environ.get("CI") else ("bulk", "commits", "erasure", "personal", "read", "scd2", "sql")


@pytest.mark.parametrize("name", RUN)
def test_a_benchmark_prints_the_machine_and_its_ratio_to_a_floor_of_the_same_run(name: str) -> None:
    if name == "bigquery" and bigquery.environment() is None:
        pytest.skip(bigquery.NOT_THERE)
    if name in ("backfill_postgresql", "catalog_postgresql") and postgres.binaries() is None:
        pytest.skip("needs a PostgreSQL server (apt: postgresql)")
    done = run(name, "--size", "small")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("processor ")
    rows = [found.groups() for line in lines if (found := re.search(r" ([\d.]+) s +([\d.]+) s +([\d.]+) x ", line))]
    assert rows
    for ours, floor, ratio in (map(float, row) for row in rows):
        assert ours > 0
        assert floor > 0
        assert ratio == pytest.approx(ours / floor, rel=0.1, abs=0.1)  # of what is printed


def test_json_holds_what_a_script_needs_to_follow_the_figures() -> None:
    done = run("commits", "--size", "small", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["machine"]["cores"] >= 1
    (commits,) = found["comparisons"]
    assert commits["ratio"] == commits["ours"] / commits["floor"]
    assert commits["is_met"] == (commits["ratio"] <= commits["target"])


def test_an_unknown_benchmark_is_refused_with_those_there_are() -> None:
    done = run("blukk")
    assert done.exit_code == 2
    assert "'blukk' is not one of 'bulk'" in done.stderr


def test_contestants_take_turns_and_the_median_round_counts() -> None:
    order: list[str] = []
    times = {"ours": iter([9.0, 2.0, 1.0]), "floor": iter([1.0, 1.0, 5.0])}

    def contestant(name: str) -> float:
        order.append(name)
        return next(times[name])

    medians = by_turns(3, {name: lambda name=name: contestant(name) for name in times})
    assert order == ["ours", "floor"] * 3
    assert medians == {"ours": 2.0, "floor": 1.0}


def test_a_target_in_seconds_does_not_look_at_the_floor() -> None:
    assert Comparison("load", "", ours=4.0, floor=1.0, floor_is="", target=5.0, target_is_seconds=True).is_met
    assert not Comparison("bulk", "", ours=4.0, floor=1.0, floor_is="", target=2.0).is_met
