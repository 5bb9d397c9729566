"""Dagster's event log of the laptop: what Dagster's own would hold, in the same files, without opening them for every event."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.event_log import SqliteEventLogStorage

from dataproducts import event_log
from dataproducts.cli.instance import dagster_home
from dataproducts.event_log import LocalEventLog

KEY = dg.AssetKey("a")
RULES = [f"rule_{number}" for number in range(20)]


@dg.multi_asset(specs=[dg.AssetSpec("a")], check_specs=[dg.AssetCheckSpec(rule, asset="a") for rule in RULES])
def checked() -> Iterator[Any]:
    yield from (dg.AssetCheckResult(asset_key=KEY, check_name=rule, passed=True) for rule in RULES)
    yield dg.MaterializeResult(asset_key=KEY)


@pytest.fixture
def log(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    dagster_home()
    with dg.DagsterInstance.get() as instance:
        yield instance


@contextmanager
def opened() -> Iterator[list[str]]:
    """The files that are opened meanwhile."""
    found: list[str] = []

    def note(connection: Any, _: Any) -> None:
        found.extend(path for _, _, path in connection.execute("pragma database_list"))

    sa.event.listen(sa.Engine, "connect", note)
    try:
        yield found
    finally:
        sa.event.remove(sa.Engine, "connect", note)


def test_a_home_is_made_with_it_and_dagsters_own_storage_reads_what_it_wrote(log: Any, home: Path) -> None:
    assert isinstance(log.event_log_storage, LocalEventLog)
    run = dg.materialize([checked], instance=log).run_id
    theirs = SqliteEventLogStorage(str(home / "dagster/history/runs"))
    kinds = [one.event_log_entry.dagster_event_type for one in theirs.get_records_for_run(run).records]
    assert [kinds.count(kind) for kind in (dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.ASSET_MATERIALIZATION)] == [
        20,
        1,
    ]
    latest = theirs.get_latest_asset_check_execution_by_key([dg.AssetCheckKey(KEY, rule) for rule in RULES])
    assert {record.status.value for record in latest.values()} == {"SUCCEEDED"}
    assert len(latest) == len(RULES)


def test_files_are_not_opened_anew_for_every_event(log: Any) -> None:
    dg.materialize([checked], instance=log)
    with opened() as files:
        run = dg.materialize([checked], instance=log).run_id
    of_the_log = [Path(file).name for file in files if "/history/runs/" in file]
    assert set(of_the_log) == {f"{run}.db"}  # that of the new run; the index of all stays open
    assert len(of_the_log) < 10


def test_runs_whose_file_was_closed_are_read_again(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "RUNS_OPEN", 1)
    runs = [dg.materialize([checked], instance=log).run_id for _ in range(3)]
    assert [len(log.all_logs(run, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)) for run in runs] == [20, 20, 20]


def test_who_watches_a_run_hears_of_every_event(log: Any) -> None:
    run = dg.materialize([checked], instance=log).run_id
    heard = threading.Event()
    log.event_log_storage.watch(run, log.get_records_for_run(run).cursor, lambda entry, _: heard.set() if entry.message == "late" else None)
    log.report_engine_event("late", run_id=run, job_name="job")
    assert heard.wait(30)


def test_files_that_are_kept_open_may_be_written_anew_by_an_erasure(log: Any, home: Path) -> None:
    before = dg.materialize([checked], instance=log).run_id
    for path in sorted((home / "dagster/history/runs").glob("*.db")):
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
            connection.execute("update event_logs set event = replace(event, 'rule_7', 'rule_x')")
            connection.execute("vacuum")
            assert connection.execute("pragma wal_checkpoint(truncate)").fetchone()[0] == 0  # nobody was in the way
    said = [entry.to_json() for entry in log.all_logs(before)]
    assert any("rule_x" in text for text in said)
    assert not any("rule_7" in text for text in said)
    assert dg.materialize([checked], instance=log).success


def test_what_is_wiped_is_gone_and_the_next_run_is_kept(log: Any) -> None:
    before = dg.materialize([checked], instance=log).run_id
    log.wipe()
    after = dg.materialize([checked], instance=log).run_id
    assert log.all_logs(before) == []
    assert len(log.all_logs(after, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)) == 20


def test_a_killed_process_loses_no_event_it_was_told_is_stored(log: Any) -> None:
    run = dg.materialize([checked], instance=log).run_id
    writer = f"""
import os, signal, dagster as dg
instance = dg.DagsterInstance.get()
for number in range(5):
    instance.report_engine_event(f"event {{number}}", run_id={run!r}, job_name="job")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", writer], check=False).returncode == -9
    said = [entry.message for entry in log.all_logs(run)]
    assert said[-5:] == [f"event {number}" for number in range(5)]
