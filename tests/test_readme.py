"""The README's own product is made as it says, and gives what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from dataproducts.cli import cli
from tests.cli.conftest import Location, inside

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def run(command: str, place: Location) -> str:
    """What a command as it is written says in the folder of a code location."""
    return place.ok(*shlex.split(command.partition("#")[0])[1:])


def test_the_product_of_the_readme_works_as_written(tmp_path: Path) -> None:
    files = {m[1]: text for _, text in BLOCKS if (m := re.match(r"(?:#|--) (assets/\S+)\n", text))}
    assert set(files) == {"assets/coffee/product.yaml", "assets/coffee/datasets.py", "assets/coffee/cups_per_day.sql"}
    lines = [line for text in files.values() for line in text.splitlines() if line.strip()]
    assert len(lines) < 40
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    for package in ("assets", "assets/coffee"):
        (tmp_path / package / "__init__.py").touch()

    commands = next(text for language, text in BLOCKS if language == "sh" and "coffee/cups" in text).strip().splitlines()
    place = Location(tmp_path)
    with inside(place):
        output = [run(command, place) for command in commands]

    assert (tmp_path / "assets/coffee/contracts/cups.odcs.yaml").exists()
    done = place.process("read", "coffee/cups_per_day", env={"DATAPRODUCTS_HOME": str(tmp_path / ".dataproducts")})
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    sums = done.stdout.splitlines()
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
