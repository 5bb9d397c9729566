"""`docs/deploying.md` names what is there."""

from __future__ import annotations

import re

from dataproducts.cli import cli
from tests.deploy.kustomize import KUBERNETES, ROOT

TEXT = (ROOT / "docs/deploying.md").read_text()


def test_every_file_and_command_it_names_is_there() -> None:
    for path in set(re.findall(r"(?:deploy|tests)/[\w./-]*\w", TEXT)):
        assert (ROOT / path).exists(), path
    named = {tuple(words.split()) for words in re.findall(r"(?:`|-- )dataproducts ((?:catalog token|[a-z]+)(?: [a-z]+\b)?)", TEXT)}
    assert {("catalog", "token", "issue"), ("prune",)} <= {words[:3] for words in named}
    assert {words[0] for words in named} <= set(cli.commands)
    assert set(re.findall(r"make (\w+)`", TEXT)) <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_secret_that_pods_read_is_made_with_every_variable() -> None:
    told = re.findall(r"create secret generic (\S+) ", TEXT)
    read = "".join(file.read_text() for file in KUBERNETES.rglob("*.yaml"))
    assert set(told) == set(re.findall(r"secretRef: \{name: ([\w-]+)", read))
    given = set(re.findall(r"--from-literal=(\w+)=", TEXT))
    script = (KUBERNETES / "overlays/local/databases.sh").read_text()
    assert set(re.findall(r"env: (DAGSTER_PG_\w+)", read)) <= given
    assert set(re.findall(r"\$\{(\w+_PASSWORD)", script)) <= given
    assert {"CATALOG_DATABASE_URL", "CATALOG_TOKEN", "DATAPRODUCTS_ERASURE_KEY"} <= given
