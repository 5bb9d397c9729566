"""What CI says of the dependencies: it fails where a weakness is known, and says so where nobody answered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.kustomize import ROOT

SOUND = {"name": "shop", "version": "1.0", "vulns": []}
WEAK = {"name": "till", "version": "2.0", "vulns": [{"id": "PYSEC-2026-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "door", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "status", "said"),
    [
        ([SOUND], 0, "nothing is known against 1 packages"),
        ([SOUND, UNKNOWN], 0, "nothing is known against 1 packages; no answer for 1 others"),
        ([UNKNOWN, UNKNOWN], 0, "SKIPPED: no database of advisories answered for any of 2 packages"),
        ([SOUND, WEAK, UNKNOWN], 1, "till 2.0: PYSEC-2026-1"),
        (None, 0, "SKIPPED: no database of advisories answered"),
    ],
)
def test_a_known_weakness_fails_and_silence_is_told(packages: Any, status: int, said: str, tmp_path: Path) -> None:
    report = tmp_path / "audit.json"
    if packages is not None:
        report.write_text(json.dumps({"dependencies": packages, "fixes": []}))
    done = run("audit", report)
    assert (done.returncode, said in done.stdout) == (status, True), done.stdout


def test_a_package_that_the_bill_leaves_out_fails(tmp_path: Path) -> None:
    lines = [line.partition(" ")[0].split("==") for line in (ROOT / "requirements.lock").read_text().splitlines()]
    bill = tmp_path / "sbom.json"
    bill.write_text(json.dumps({"components": [{"name": name, "version": version} for name, version in lines]}))
    assert run("listed", bill).returncode == 0
    bill.write_text(json.dumps({"components": [{"name": name, "version": version} for name, version in lines[1:]]}))
    done = run("listed", bill)
    assert done.returncode == 1
    assert f"{lines[0][0]} {lines[0][1]} is missing" in done.stdout


def run(command: str, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(ROOT / ".ci/dependencies.py"), command, str(file)], capture_output=True, text=True)
