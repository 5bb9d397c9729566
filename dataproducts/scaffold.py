"""What `dataproducts new` writes: a product that loads, materializes and passes its test as it stands, small enough to read at a glance."""

from __future__ import annotations

import keyword
import os
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

from dataproducts.errors import ConfigurationError, DeclarationError
from dataproducts.product_facts import SCHEMA_FILE

_DAYS = 7  # the partitions a new product begins with

PRODUCT_YAML = """\
# yaml-language-server: $schema={schema}
name: {name}
title:
  nb: {title}
  en: {title}
description:
  nb: Temperaturer fra noen oppdiktede målestasjoner. Skriv her hva produktet er, for en som ikke kjenner det.
  en: Temperatures of a few made-up stations. Say here what the product is, to somebody new to it.
status: draft

team: my-team
contact:
  name: My team
  email: my-team@example.com

personal_data:
  class: none
  reason: The rows are made up, and are about the weather.
access:
  level: internal
license: CC0
publisher:
  name: My organization

themes: [ENVI]
keywords: [example]
periodicity: DAILY
"""

SCHEMAS = '''\
"""What the datasets of {name} promise."""

import pandera.polars as pa
import polars as pl

import dataproducts as dp


class Reading(pa.DataFrameModel):
    """The temperature at a station on a day."""

    station: str = dp.column("The station's name.", examples=["Vestly"])
    day: pl.Date = dp.column("The day of the reading.")
    temperature: float = dp.column("Mean of the day.", unit="°C", in_range={{"min_value": -60, "max_value": 60}})
'''

DATASETS = '''\
"""The datasets of {name}."""

from datetime import date

import dagster as dg
import polars as pl

import dataproducts as dp
from assets.{name}.schemas import Reading

product = dp.DataProduct(__file__)


@product.dataset(schema=Reading, key="station", partitions=dg.DailyPartitionsDefinition("{first}", timezone="Europe/Oslo"))
def readings(partition: str) -> pl.DataFrame:
    """One day's temperature at every station."""
    day = date.fromisoformat(partition)
    return pl.DataFrame({{"station": ["Nordby", "Vestly"], "day": day, "temperature": [day.day / 2, day.day / 3]}})
'''

TEST = '''\
"""The promises of {name}."""

import dagster as dg
import pytest

import dataproducts as dp
from dataproducts.definitions import products


def test_a_day_has_a_reading_of_every_station(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAPRODUCTS_HOME", str(tmp_path))
    readings = products()["{name}"].datasets["readings"]
    assert dg.materialize([readings], partition_key="{first}").success
    rows = dp.read("{name}/readings", partition="{first}")
    assert list(rows["station"]) == ["Nordby", "Vestly"]
    assert rows["temperature"].iloc[0] == pytest.approx({first_temperature})
'''

WORKSPACE = """\
# The code location, for Dagster's webserver and daemon: `dagster-webserver -w workspace.yaml`.
load_from:
  - python_module:
      module_name: dataproducts.definitions
      location_name: dataproducts
      working_directory: .
"""

LOCAL = '''\
"""What the datasets run against on a laptop, by the name under which they ask for it."""


def resources() -> dict[str, object]:
    """None yet; a client of a source is one, for instance."""
    return {}
'''

IGNORE = """\
.dataproducts/
__pycache__/
"""


def new_product(name: str, root: Path, today: date) -> list[Path]:
    """Write a product under `root`, and around it what a repository of its own needs; gives the files written.

    Nothing that exists is overwritten. Raises DeclarationError for a name that is taken, or that is none for a product.
    """
    _refuse(name, root)
    first = today - timedelta(days=_DAYS)
    said = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "first": first.isoformat(),
        "first_temperature": first.day / 2,
    }
    folder = root / "assets" / name
    own_kit = SCHEMA_FILE.is_relative_to(root)
    schema = os.path.relpath(SCHEMA_FILE, folder) if own_kit else "../product.schema.json"
    product = {
        folder / "product.yaml": PRODUCT_YAML.format(schema=schema, **said),
        folder / "schemas.py": SCHEMAS.format(**said),
        folder / "datasets.py": DATASETS.format(**said),
        folder / "__init__.py": "",
        root / "tests" / f"test_{name}.py": TEST.format(**said),
    }
    around = {
        root / "assets" / "__init__.py": "",
        root / "resources" / "__init__.py": "",
        root / "resources" / "local.py": LOCAL,
        root / "workspace.yaml": WORKSPACE,
        root / ".gitignore": IGNORE,
    }
    if not own_kit:
        around[root / "assets" / "product.schema.json"] = SCHEMA_FILE.read_text(encoding="utf-8")
    written: list[Path] = []
    try:
        for path, text in [*product.items(), *((p, t) for p, t in around.items() if not p.exists())]:
            path.parent.mkdir(parents=True, exist_ok=True)
            written.append(path)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        for path in written:
            path.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        raise ConfigurationError(
            f"{error.filename} cannot be written ({error.strerror}); nothing was made, choose another folder"
        ) from error
    return written


def _refuse(name: str, root: Path) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        spelled = name.lower().replace("æ", "ae").replace("ø", "oe").replace("å", "aa")
        near = re.sub(r"[^a-z0-9]+", "_", spelled).lstrip("_0123456789").rstrip("_")
        hint = f", for instance {near}" if near and not keyword.iskeyword(near) else ""
        raise DeclarationError(
            f"{name!r} cannot be a product's name: it is lower-case a-z, digits and underscores, begins with a letter "
            f"and is no word of Python's{hint}"
        )
    for taken in (root / "assets" / name, root / "tests" / f"test_{name}.py"):
        if taken.exists():
            raise DeclarationError(f"{taken.relative_to(root)} exists already; choose another name, or remove it first")
