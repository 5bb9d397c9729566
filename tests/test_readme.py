"""The README's own product is made as it says, and gives what it says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from dataproducts.cli import cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def run(command: str, folder: Path) -> str:
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("DAGSTER_HOME", "DATAPRODUCTS_LAKE")},
        "DATAPRODUCTS_HOME": str(folder / "home"),
    }
    argv = [sys.executable, "-m", *shlex.split(command.partition("#")[0])]
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_product_of_the_readme_works_as_written(tmp_path: Path) -> None:
    files = {m[1]: text for _, text in BLOCKS if (m := re.match(r"(?:#|--) (assets/\S+)\n", text))}
    assert set(files) == {"assets/coffee/product.yaml", "assets/coffee/datasets.py", "assets/coffee/cups_per_day.sql"}
    lines = [line for text in files.values() for line in text.splitlines() if line.strip()]
    assert len(lines) < 40
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for package in ("assets", "assets/coffee", "resources"):
        (tmp_path / package).mkdir(exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "resources/local.py").write_text("def resources():\n    return {}\n")

    commands = next(text for language, text in BLOCKS if language == "sh" and "coffee/cups" in text).strip().splitlines()
    output = [run(command, tmp_path) for command in commands]

    assert (tmp_path / "assets/coffee/contracts/cups.odcs.yaml").exists()
    sums = run("dataproducts read coffee/cups_per_day", tmp_path).splitlines()
    assert sums[0] == "day,cups"
    assert sums[-1] == "2026-01-31,72"
    assert len(sums) == 1 + 31
    rows = output[-1].splitlines()
    assert rows[0] == "machine,cups,valid_from,valid_to"
    assert "kitchen,41,2026-01-01," in rows
    assert "lobby,30,2026-01-30,2026-01-31" in rows
    assert "lobby,31,2026-01-31," in rows
    assert len(rows) == 1 + 1 + 31


def test_every_command_the_readme_names_exists() -> None:
    named = set(re.findall(r"(?:^|`)dataproducts ([a-z]+)", README, re.MULTILINE))
    assert {"read", "list", "new"} <= named
    assert named <= set(cli.commands), named - set(cli.commands)
