"""Samples, profiles and examples of erased versions leave Dagster's event log: files of runs, one database, or a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dataproducts.erasure import event_log
from dataproducts.erasure.secret import Secret
from dataproducts.erasure.subjects import Erased, Subjects, spelled_texts
from tests import postgres as pg
from tests.erasure.searching import found_in
from tests.erasure.server_log import held

GONE, OTHER = "kari-nordmann-7731", "ola-nordmann-1204"
KEY = dg.AssetKey(["shop", "sales"])


@dataclass(frozen=True)
class Log:
    """An instance with its event log, and where a value is found in that."""

    instance: dg.DagsterInstance
    found: Callable[[str], list[str]]


@pytest.fixture(scope="module")
def postgres() -> Iterator[pg.Postgres]:
    if pg.binaries() is None:
        pytest.skip("needs a PostgreSQL server (apt: postgresql)")
    with pg.server() as server:
        yield server


@pytest.fixture(params=["SqliteEventLogStorage", "ConsolidatedSqliteEventLogStorage", "ServerEventLogStorage"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    storage = {"module": "dagster._core.storage.event_log", "class": request.param, "config": {"base_dir": str(tmp_path / "events")}}
    found: Callable[[str], list[str]] = partial(found_in, tmp_path / "events")
    if request.param == "ServerEventLogStorage":
        url = request.getfixturevalue("postgres").new()
        storage |= {"module": "tests.erasure.server_log", "config": {"url": url}}
        found = partial(held, url)
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides={"event_log_storage": storage}) as made:
        yield Log(made, found)


@pytest.mark.parametrize("told", [True, False])
def test_nothing_of_them_is_left_in_any_event(log: Log, told: bool) -> None:
    instance = log.instance

    def said(version: int, who: str) -> dict[str, Any]:
        return {
            "dataproducts/version": version,
            "sample": dg.MarkdownMetadataValue(f"| who |\n|---|\n| {who} |\n| {who[:9]}… |"),
            "dataproducts/profile": dg.JsonMetadataValue([{"name": "who", "frequent": [[who, 2]]}]),
            "removed_units": dg.JsonMetadataValue([GONE, OTHER]),
        }

    @dg.asset(key=KEY, check_specs=[dg.AssetCheckSpec("who", asset=KEY)])
    def sales(context):
        context.log.info(f"{GONE} is read")
        yield dg.MaterializeResult(metadata=said(1, GONE))
        yield dg.AssetCheckResult(passed=True, check_name="who", metadata={"examples": f"{GONE}, {OTHER}"})

    assert dg.materialize([sales], instance=instance).success
    instance.report_runless_asset_event(dg.AssetMaterialization(KEY, metadata=said(2, OTHER), partition="a"))
    secret, text = Secret(b"5" * 32), spelled_texts([GONE])
    subjects = Subjects(("who",), ("who",), frozenset(secret.hashed([text])), secret, frozenset([text] if told else ()))
    erased = {"shop/sales": Erased("shop/sales", (subjects,), 1)}
    assert log.found(GONE)
    assert event_log.erase(instance, erased, {"shop/sales": {("-", 1)}}) >= 4
    assert log.found(GONE) == []
    records = instance.fetch_materializations(KEY, limit=10).records
    untouched, touched = (r.asset_materialization.metadata for r in records)
    assert OTHER in untouched["sample"].value
    assert untouched["removed_units"].value == ["erased", OTHER]
    assert touched["sample"].value == "_erased_"
    assert touched["dataproducts/profile"].value == []
    assert event_log.erase(instance, erased, {"shop/sales": {("-", 1)}}) == 0
