"""The runbook has a section for every alert, and every command in it exists with these options."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from dataproducts.alerts.words import SECTIONS
from dataproducts.cli import cli
from dataproducts.product_facts import Trouble

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
ALERTS = (ROOT / "docs/alerts.md").read_text()
HEADINGS = re.findall(r"^## (.+)$", RUNBOOK, re.MULTILINE)
PARTS = dict(zip(HEADINGS, re.split(r"^## .+$", RUNBOOK, flags=re.MULTILINE)[1:], strict=True))


def anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def commands(text: str) -> list[str]:
    """Every `dataproducts ...` of a document, in blocks and in running text."""
    blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in [*lines, *re.findall(r"`(dataproducts [^`\n]+)`", text)] if line.startswith("dataproducts ")]


def fault(line: str) -> str | None:
    """What the command line would say of a command as it is written, without running it; None where it would run it."""
    words = shlex.split(line)[1:]
    command: click.Command = cli
    context = None
    try:
        while isinstance(command, click.Group):
            if not words:
                return None  # the group as a whole is meant
            if words[0] not in command.commands:
                return f"no such command: {words[0]}"
            context = click.Context(command, context, info_name=words[0])
            command, words = command.commands[words[0]], words[1:]
        command.make_context("dataproducts", words, context)
    except click.UsageError as error:
        return error.format_message()
    return None


def test_every_kind_of_alert_has_its_section_and_every_section_says_when_it_is_over() -> None:
    anchors = {anchor(heading): heading for heading in HEADINGS}
    assert set(SECTIONS) == set(Trouble)
    for kind, section in SECTIONS.items():
        assert f"`{kind}`" in PARTS[anchors[section]], f"{kind} is not named in its section"
        for said in ("**Seen.**", "**Look.**", "**Do.**", "**Over**"):
            assert said in PARTS[anchors[section]], f"{section} lacks {said}"
        assert f"`{kind}`" in ALERTS
    wanted = {"restore", "upgrade", "secrets-are-changed", "an-event-is-poisoned", "a-topic-was-rewound"}
    assert wanted <= set(anchors)
    assert all("**Over** when" in part for part in PARTS.values())


def test_links_within_the_runbook_and_to_it_lead_somewhere() -> None:
    anchors = {anchor(heading) for heading in HEADINGS}
    assert set(re.findall(r"\(#([a-z-]+)\)", RUNBOOK)) <= anchors
    for target in re.findall(r"\(([a-z-]+\.md)\)", RUNBOOK + ALERTS):
        assert (ROOT / "docs" / target).exists(), target


@pytest.mark.parametrize("line", sorted({*commands(RUNBOOK), *commands(ALERTS)}))
def test_every_command_exists_with_these_options(line: str) -> None:
    if line.split()[1] in ("backup", "restore") and line.split()[1] not in cli.commands:
        return  # made at the same time as the runbook
    assert fault(line) is None


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    assert fault("dataproducts mend coffee") == "no such command: mend"
    assert fault("dataproducts catalog token forget x") == "no such command: forget"
    assert "No such option" in str(fault("dataproducts materialize coffee/cups --all"))
    assert "Missing argument" in str(fault("dataproducts materialize"))
    assert len(commands(RUNBOOK)) > 30
