"""`deploy/Dockerfile`: what it may hold. Whether its steps give an image that works is in test_starting.py."""

from __future__ import annotations

import re
import subprocess
import tomllib

from dataproducts.kubernetes.pod import SCRATCH_FOLDER
from tests.deploy.dockerfile import instructions, is_sent
from tests.deploy.kustomize import KUBERNETES, ROOT

TEXT, IGNORE = (ROOT / "deploy/Dockerfile").read_text(), (ROOT / ".dockerignore").read_text()
LINES = instructions(TEXT)
LAST = LINES[-1].stage


def lines(word: str, stage: str | None = None) -> list[str]:
    return [one.rest for one in LINES if one.word == word and stage in (None, one.stage)]


def test_the_base_is_of_one_version_and_nothing_names_a_registry() -> None:
    (base,) = lines("ARG")
    assert re.fullmatch(r"PYTHON=python:3\.11\.\d+-slim-[a-z]+", base)
    assert {line.partition(" AS ")[0] for line in lines("FROM")} == {"${PYTHON}"}
    assert not re.search(r"https?://|index-url|extra-index", TEXT)


def test_it_runs_as_a_user_by_number_that_is_not_root() -> None:
    user, group = lines("USER", LAST)[-1].split(":")
    assert int(user) > 0
    assert int(group) > 0
    words = [one.word for one in LINES if one.stage == LAST]
    assert not {"RUN", "COPY"} & set(words[words.index("USER") :]), "what comes after would be the user's to change"
    for overlay in ("base/dagster", "base/catalog"):
        for file in (KUBERNETES / overlay).glob("*.yaml"):
            assert set(re.findall(r"runAsUser: (\d+)", file.read_text())) <= {user}


def test_what_is_installed_is_a_layer_before_the_code() -> None:
    steps = [(one.word, one.rest) for one in LINES if one.stage == "build"]
    locked = next(number for number, (word, rest) in enumerate(steps) if word == "RUN" and "pyproject.toml" in rest)
    code = next(number for number, (word, rest) in enumerate(steps) if word == "COPY" and rest.startswith("dataproducts"))
    assert locked < code
    assert {rest for word, rest in steps[:locked] if word == "COPY"} == {"pyproject.toml requirements.lock ./"}
    assert all("requirements.lock" in rest or "--no-deps" in rest for word, rest in steps if word == "RUN" and "install" in rest)


def test_production_has_every_extra_but_that_of_developers() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r"--extra (\w+)", TEXT)) == set(extras) - {"dev"}


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    sources = {source for one in LINES if one.word == "COPY" and not one.options for source in one.arguments[:-1]}
    sent = {path for path in tracked if is_sent(path, IGNORE)}
    for source in sources:
        assert any(path == source or path.startswith(f"{source}/") for path in sent), source
    assert {path.partition("/")[0] for path in sent} == sources
    for path in (
        ".env",
        ".git/config",
        "tests/conftest.py",
        "assets/.env.local",
        "dataproducts/__pycache__/a.pyc",
        ".dataproducts/erasure.key",
    ):
        assert not is_sent(path, IGNORE), path
    assert not re.search(r"(?i)(secret|password|token|key)=", TEXT)


def test_what_is_written_goes_to_the_folder_that_clusters_mount() -> None:
    variables = dict(pair.split("=", 1) for line in lines("ENV", LAST) for pair in line.split())
    assert variables["HOME"] == variables["TMPDIR"] == SCRATCH_FOLDER
    assert all(variables[name].startswith(f"{SCRATCH_FOLDER}/") for name in ("DATAPRODUCTS_HOME", "DAGSTER_HOME"))
    assert "HEALTHCHECK" in {one.word for one in LINES if one.stage == LAST}
