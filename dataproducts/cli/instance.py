"""Dagster's own state: where it lies, and the settings it is made with the first time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from dataproducts import settings
from dataproducts.errors import ConfigurationError

_DAGSTER_YAML = """\
# Dagster's own state: SQLite files beside this one. A broken contract must not be run again; lost machines may be.
event_log_storage:
  module: dataproducts.event_log
  class: LocalEventLog
telemetry:
  enabled: false
nux:
  enabled: false
run_retries:
  enabled: true
  max_retries: 0
  retry_on_asset_or_op_failure: false
run_coordinator:
  module: dagster._core.run_coordinator
  class: QueuedRunCoordinator
concurrency:
  runs:
    max_concurrent_runs: 2
"""
_BEGUN = "dagster.yaml.new"


def dagster_home() -> Path:
    """DAGSTER_HOME, by default `dagster` under the home; made with its settings and tables if it is not there. Also sets the variable."""
    path = settings.dagster()
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not (path / "dagster.yaml").exists():
            _make(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written ({error.strerror}); give write access, or set DATAPRODUCTS_HOME to another folder"
        ) from error
    os.environ["DAGSTER_HOME"] = str(path)
    return path


def _make(path: Path) -> None:
    """By one process: of two at once each may stamp the tables with a revision of its own, and no later one could open them."""
    import dagster as dg

    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if (path / "dagster.yaml").exists():  # by whoever was waited for
            return
        (path / _BEGUN).write_text(_DAGSTER_YAML, encoding="utf-8")
        with dg.DagsterInstance.from_config(str(path), _BEGUN):
            (path / _BEGUN).replace(path / "dagster.yaml")
    finally:
        os.close(folder)
