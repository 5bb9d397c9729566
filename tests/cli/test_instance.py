"""Dagster's own state on a laptop: it is there, whole, before anything that uses it is started."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from dataproducts.cli import instance
from dataproducts.errors import ConfigurationError


def test_tables_are_there_before_a_server_can_make_them_too(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    folder = instance.dagster_home()
    with sqlite3.connect(folder / "schedules" / "schedules.db") as tables:
        assert len(tables.execute("select version_num from alembic_version").fetchall()) == 1
    assert sorted(p.name for p in folder.iterdir() if p.is_file()) == ["dagster.yaml"]


def test_a_home_that_cannot_be_written_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir(exist_ok=True)
    (home / "file").touch()
    monkeypatch.setenv("DATAPRODUCTS_HOME", str(home / "file"))
    with pytest.raises(
        ConfigurationError, match=r"dagster cannot be written \(Not a directory\); give write access, or set DATAPRODUCTS_HOME"
    ):
        instance.dagster_home()


def test_settings_of_somebody_else_are_left_as_they_are(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    (home / "dagster").mkdir(parents=True)
    (home / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    folder = instance.dagster_home()
    assert [(p.name, p.read_text()) for p in folder.iterdir()] == [("dagster.yaml", "telemetry: {enabled: false}\n")]
