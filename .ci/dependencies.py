"""What the project is made of: whether a weakness of it is known, and whether the bill of materials lists all of it.

python .ci/dependencies.py audit REPORT   the report of pip-audit, as JSON
python .ci/dependencies.py listed BILL    the bill of materials, as CycloneDX, against requirements.lock
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements.lock"


def audited(report: dict[str, Any] | None) -> tuple[bool, str]:
    """Whether nothing is known against what was looked up, and a sentence; no report where no database of advisories answered."""
    packages = report["dependencies"] if report else []
    asked = [one for one in packages if "skip_reason" not in one]
    if not asked:
        return True, f"SKIPPED: no database of advisories answered for any of {len(packages)} packages, so nothing is known of them"
    found = [f"{one['name']} {one['version']}: {weakness['id']}" for one in asked for weakness in one["vulns"]]
    if found:
        return False, "known weaknesses; take a later version, or say in pyproject.toml why it does not reach us:\n  " + "\n  ".join(found)
    unanswered = len(packages) - len(asked)
    return True, f"nothing is known against {len(asked)} packages" + (f"; no answer for {unanswered} others" if unanswered else "")


def missing(bill: dict[str, Any], lock: str) -> set[tuple[str, str]]:
    """Packages of the lock, with their versions, that the bill does not list."""
    locked = {(name, version) for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock, re.MULTILINE)}
    return locked - {(one["name"], one["version"]) for one in bill["components"]}


def main(command: str, file: str) -> int:
    path = Path(file)
    told = json.loads(path.read_text()) if path.exists() and path.stat().st_size else None
    if command == "audit":
        is_well, sentence = audited(told)
        print(f"audit: {sentence}")
        return 0 if is_well else 1
    gone = missing(told, LOCK.read_text()) if told else {("all", "of them")}
    print(
        f"bill of materials: {len(told['components'] if told else ())} components"
        + "".join(f"\n  {' '.join(one)} is missing" for one in sorted(gone))
    )
    return 1 if gone else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
