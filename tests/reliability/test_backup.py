"""A backup or restore that is killed at any moment leaves a whole backup or none, and the old catalog or the new."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.backup.conftest import lived_file  # noqa: F401 - a fixture
from tests.catalog.conftest import empty_file  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[2]
SEEDS = min(int(os.environ.get("CRASH_SEEDS", "1")), 40)


def test_a_killed_backup_is_whole_or_not_there_and_a_killed_restore_changes_all_or_nothing(lived_file: Path, tmp_path: Path) -> None:  # noqa: F811
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/reliability/backup_worker.py"), str(lived_file), str(tmp_path), "0", str(SEEDS)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 0 or SEEDS < 10  # of few a child may have been done in time
