"""The command as a whole: quick to start, one line for an error, quiet where nobody listens any more."""

from __future__ import annotations

import os
import pty
import re
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import dataproducts
from dataproducts.cli import cli
from dataproducts.cli.group import DEBUG
from tests.cli.conftest import COMMAND, Location

TOPICS = (
    "up",
    "list",
    "materialize",
    "versions",
    "read",
    "changes",
    "quarantine",
    "contract",
    "reconcile",
    "catalog",
    "run",
    "manifest",
    "new",
)


def test_help_starts_at_once_and_loads_nothing_heavy() -> None:
    program = (
        "import sys, dataproducts.cli as c\n"
        "try: c.cli(['--help'], prog_name='dataproducts')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'dagster', 'polars', 'pandas', 'pandera', 'deltalake', 'pyarrow', 'pydantic', 'rich', 'httpx'} & sys.modules.keys()\n"
        "assert not heavy, heavy"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    # its own time, for other work on the machine is not ours
    assert (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime) < 0.5


def test_help_names_every_topic_on_a_line_that_is_not_cut_short(location: Location) -> None:
    for arguments in (["--help"], ["-h"], []):
        text = location.ok(*arguments)
        assert all(re.search(rf"^  {topic} +\S", text, re.MULTILINE) for topic in TOPICS)
        assert "..." not in text.split("Commands:")[1]


@pytest.mark.parametrize("command", [[], *([topic] for topic in TOPICS), *(["contract", c] for c in ("show", "freeze", "check", "export"))])
def test_every_command_explains_itself(location: Location, command: list[str]) -> None:
    assert location.ok(*command, "--help").startswith(f"Usage: {' '.join(['dataproducts', *command])}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["frobnicate"], "No such command 'frobnicate'; see `dataproducts --help`"),
        (["read"], "Missing argument 'PRODUCT/DATASET'; see `dataproducts read --help`"),
        (["read", "a/b", "--nothing"], "No such option"),
        (["read", "a/b", "--version", "x"], "Invalid value for '--version'"),
        (["materialize", "a/b", "--from", "x"], "--to is missing; a range has both ends"),
        (["materialize", "a/b", "--to", "x"], "--from is missing; a range has both ends"),
        (["materialize", "a/b", "--partition", "x", "--from", "x", "--to", "y"], "give one of the two"),
        (["contract", "nothing"], "see `dataproducts contract --help`"),
        (["new"], "Missing argument 'PRODUCT'"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(location: Location, arguments: list[str], sentence: str) -> None:
    assert sentence in location.refusal(*arguments, status=2)


def test_an_error_nobody_foresaw_is_one_line_with_the_way_to_the_traceback(location: Location, changed_code) -> None:
    changed_code("assets/weather/datasets.py", "product = dp", "1 / 0\nproduct = dp")

    said = location.refusal("list")
    assert said == f"ZeroDivisionError: division by zero (assets/weather/datasets.py, line 11); set {DEBUG}=1 to see the whole traceback"

    more = location.run("list", **{DEBUG: "1"})
    assert more.exit_code == 1
    assert "Traceback (most recent call last)" in more.stderr


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("product = dp", "def :\nproduct = dp", r"^SyntaxError: .*\(assets/weather/datasets.py, line 11\); set"),
        (
            "import polars as pl",
            "import pollars as pl",
            r"^ModuleNotFoundError: No module named 'pollars' \(assets/weather/datasets.py, line 6\)",
        ),
        ('key="station"', 'key="stasjon"', r"^weather/readings: key column 'stasjon' is not in the schema; its columns are"),
    ],
)
def test_a_mistake_in_a_products_code_is_named_with_its_line(location: Location, changed_code, old: str, new: str, sentence: str) -> None:
    changed_code("assets/weather/datasets.py", old, new)
    assert re.search(sentence, location.refusal("list"))


def test_of_many_mistakes_in_product_yaml_the_first_is_told_with_the_number_of_others(location: Location, changed_code) -> None:
    changed_code("assets/weather/product.yaml", "status: draft", "status: finished\ncolour: blue")
    said = location.refusal("list")
    assert re.search(r"product.yaml:9: status: .*draft.*\(and 1 more like it; DATAPRODUCTS_DEBUG=1 shows all\)$", said)


def test_without_products_the_command_says_where_to_go(empty: Location) -> None:
    # an installed kit has no `assets` beside it, as the checkout has
    kit = empty.folder / "installed"
    kit.mkdir()
    (kit / "dataproducts").symlink_to(Path(dataproducts.__file__).parent)
    program = (
        "import os, sys\n"
        "sys.path = [p for p in sys.path if not os.path.isdir(os.path.join(p, 'assets'))] + ['installed']\n"
        "from dataproducts.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program, "materialize", "a/b"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"error: there is no `assets` folder in {empty.folder}; go to where the products lie, or begin one with "
        "`dataproducts new PRODUCT`\n"
    )


def test_a_folder_without_products_is_not_taken_for_that_of_the_installed_ones(empty: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATAPRODUCTS_HOME")
    for arguments in (("list",), ("up", "--once"), ("materialize", "enhetsregisteret/enheter")):
        assert empty.refusal(*arguments).startswith(f"there is no `assets` folder in {empty.folder}; go to where the products lie")
    assert list(empty.folder.iterdir()) == []


def test_a_reader_that_goes_away_is_not_an_error(location: Location) -> None:
    location.rows(items=[{"name": f"{'x' * 500}{n}"} for n in range(3_000)])  # more than a pipe holds
    location.ok("materialize", "weather/items")
    writer = subprocess.Popen(
        [*COMMAND, "read", "weather/items"], cwd=location.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stderr is not None
    assert writer.stdout.readline().startswith("name,price")
    writer.stdout.close()
    assert writer.wait(30) == 0
    assert writer.stderr.read() == ""


def test_ctrl_c_ends_with_one_line_and_130(location: Location) -> None:
    running = subprocess.Popen(
        [*COMMAND, "materialize", "weather/sleepy"],
        cwd=location.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a job in the background of a shell does not hear SIGINT, nor do its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert running.stderr is not None
    assert running.stderr.readline() == "asleep\n"
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 130
    assert running.stderr.read() == "error: interrupted; what was already stored stays\n"


def test_a_terminal_gets_colors_and_a_pipe_does_not(location: Location) -> None:
    location.rows(items=[{"name": "spade", "price": "12.50"}])
    location.ok("materialize", "weather/items")

    seen = _on_terminal(location, "read", "weather/items")
    assert "\x1b[1mname" in seen
    assert "spade" in seen
    assert "version " in seen

    piped = location.ok("read", "weather/items")
    assert piped == "name,price,sold_on,seen_at,tags\nspade,12.50,,,\n"


def test_python_m_is_the_command(location: Location) -> None:
    done = location.process("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"dataproducts \d+\.\d+\.\d+\n", done.stdout)
    assert cli.name == "cli"


def _on_terminal(location: Location, *arguments: str) -> str:
    """What a person at a terminal of 100 columns sees."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    child = subprocess.Popen([*COMMAND, *arguments], cwd=location.folder, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    seen = b""
    while select.select([ours], [], [], 30)[0]:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        seen += part
    os.close(ours)
    assert child.wait(10) == 0
    return seen.decode()
