"""What `dataproducts new` and `dataproducts init` write, from the files in `templates`: products that pass their tests as they stand."""

from __future__ import annotations

import json
import keyword
import os
import re
import shutil
from datetime import date, timedelta
from importlib.metadata import distribution
from pathlib import Path
from typing import Literal, get_args

from dataproducts.errors import ConfigurationError, DeclarationError

Pattern = Literal["simple", "kafka", "complete"]
"""NAV's patterns of a data product: a simple one, Kafka in combination with batch, and several datasets with examples of use."""
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)

_TEMPLATES = Path(__file__).parent / "templates"
_SCHEMA_FILE = Path(__file__).parent / "schemas" / "product.schema.json"
_DAYS = 7  # the partitions a new product begins with
_ELSEWHERE = {"test_product.py": "tests/test_product_name.py"}  # all else of a pattern goes to the product's folder
_AROUND = {"workspace.yaml": "workspace.yaml", "local.py": "resources/local.py", "gitignore": ".gitignore"}
_OF_A_LOCATION = {**_AROUND, **{name: name for name in ("pyproject.toml", "Makefile", "README.md")}}


def new_product(name: str, root: Path, today: date, pattern: Pattern = "simple") -> list[Path]:
    """Write a product under `root`, and around it what a code location needs; gives the files written.

    Nothing that exists is overwritten. Raises DeclarationError for a name that is taken, or that is none for a product.
    """
    _refuse(name, root)
    around = {root / path: _text(f"location/{template}", {}) for template, path in _AROUND.items()}
    return _write(root, _product(name, root, today, pattern), around)


def new_location(folder: Path, name: str, today: date, pattern: Pattern = "simple") -> list[Path]:
    """Write a code location of a team's own with one product; gives the files written.

    Raises DeclarationError where the folder has something in it, or for a name that is none for a product.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DeclarationError(f"{folder} exists and is not empty; choose another folder, or begin a product in it with `dataproducts new`")
    _refuse(name, folder)
    said = {
        "LOCATION_NAME": re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or name,
        "KIT_REQUIREMENT": _requirement(),
    }
    around = {folder / path: _text(f"location/{template}", said) for template, path in _OF_A_LOCATION.items()}
    return _write(folder, _product(name, folder, today, pattern), around)


def _requirement() -> str:
    """This package as a location asks for it: from where it was installed, which need not be an index."""
    own = distribution("dataproducts")
    origin = json.loads(own.read_text("direct_url.json") or "{}")
    if not origin:
        return f"dataproducts[examples]>={own.version}"
    url = origin["url"]
    if repository := origin.get("vcs_info"):
        url = f"{repository['vcs']}+{url}@{repository['commit_id']}"
    return f"dataproducts[examples] @ {url}"


def product_name(text: str) -> str:
    """The product's name that a text comes nearest to; empty where there is none."""
    spelled = text.lower().replace("æ", "ae").replace("ø", "oe").replace("å", "aa")
    near = re.sub(r"[^a-z0-9]+", "_", spelled).lstrip("_0123456789").rstrip("_")
    return "" if keyword.iskeyword(near) else near


def _product(name: str, root: Path, today: date, pattern: Pattern) -> dict[Path, str]:
    first, folder = today - timedelta(days=_DAYS), root / "assets" / name
    schema = os.path.relpath(_SCHEMA_FILE, folder) if _SCHEMA_FILE.is_relative_to(root) else "../product.schema.json"
    said = {
        "product_name": name,
        "PRODUCT_TITLE": name.replace("_", " ").capitalize(),
        "PRODUCT_VARIABLE": name.upper(),
        "FIRST_DAY": first.isoformat(),
        "FIRST_TEMPERATURE": str(first.day / 2),
        "SCHEMA_FILE": schema,
    }
    found = {folder / "__init__.py": ""}
    for template in sorted(p for p in (_TEMPLATES / pattern).rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        inner = str(template.relative_to(_TEMPLATES / pattern))
        path = root / _ELSEWHERE[inner].replace("product_name", name) if inner in _ELSEWHERE else folder / inner
        found[path] = _text(f"{pattern}/{inner}", said)
    return found


def _text(template: str, said: dict[str, str]) -> str:
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    for word, value in said.items():
        text = text.replace(word, value)
    return text


def _write(root: Path, product: dict[Path, str], around: dict[Path, str]) -> list[Path]:
    around = {**around, root / "assets" / "__init__.py": "", root / "resources" / "__init__.py": ""}
    if not _SCHEMA_FILE.is_relative_to(root):
        around[root / "assets" / "product.schema.json"] = _SCHEMA_FILE.read_text(encoding="utf-8")
    was_there = root.exists()
    folders = {path.parent for path in product if not path.parent.exists()}
    written: list[Path] = []
    try:
        for path, text in [*product.items(), *((p, t) for p, t in around.items() if not p.exists())]:
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(path)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        for folder in folders if was_there else {root}:
            shutil.rmtree(folder, ignore_errors=True)
        raise ConfigurationError(
            f"{error.filename} cannot be written ({error.strerror}); nothing was made, choose another folder"
        ) from error
    return written


def _refuse(name: str, root: Path) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        near = product_name(name)
        hint = f", for instance {near}" if near else ""
        raise DeclarationError(
            f"{name!r} cannot be a product's name: it is lower-case a-z, digits and underscores, begins with a letter "
            f"and is no word of Python's{hint}"
        )
    for taken in (root / "assets" / name, root / "tests" / f"test_{name}.py"):
        if taken.exists():
            raise DeclarationError(f"{taken.relative_to(root)} exists already; choose another name, or remove it first")
