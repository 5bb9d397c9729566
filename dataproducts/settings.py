"""Where things are, by environment: home, lake, names of datasets. Read when used, never at import."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from typing import Literal

from dataproducts.errors import ConfigurationError, UnknownDataset
from dataproducts.secret_references import secret_of

SCRIPTS, STEPS = "DATAPRODUCTS_SCRIPTS", "DATAPRODUCTS_STEPS"
_ENVIRONMENTS = ("local", "gcp")


def environment() -> str:
    """The environment's name, DATAPRODUCTS_ENV: "local" (default) or "gcp"."""
    name = os.environ.get("DATAPRODUCTS_ENV", "local")
    if name not in _ENVIRONMENTS:
        raise ConfigurationError(f"DATAPRODUCTS_ENV is {name!r}, and there is no such environment; set it to {' or '.join(_ENVIRONMENTS)}")
    return name


def home() -> Path:
    """The folder that holds lake, catalog and Dagster's state locally, DATAPRODUCTS_HOME (default `.dataproducts`)."""
    return Path(os.environ.get("DATAPRODUCTS_HOME") or ".dataproducts").absolute()


def dagster() -> Path:
    """The folder of Dagster's own state, DAGSTER_HOME (default `dagster` under the home)."""
    return Path(os.environ.get("DAGSTER_HOME") or home() / "dagster").absolute()


def first_day() -> date | None:
    """The day the local history began, which the first `dataproducts up` records under the home; None before that."""
    marker = home() / "first_day"
    try:
        text = marker.read_text(encoding="utf-8").strip()
        return date.fromisoformat(text)
    except FileNotFoundError:
        return None
    except ValueError:
        raise ConfigurationError(f"{marker} does not hold a day; write one as 2026-11-01, or delete the file") from None


def lake() -> str:
    """URL or path under which every dataset's history lies, DATAPRODUCTS_LAKE (default `lake` under the home)."""
    return os.environ.get("DATAPRODUCTS_LAKE", "").rstrip("/") or str(home() / "lake")


def duckdb_memory() -> str:
    """How much memory DuckDB takes before it goes to disk, DATAPRODUCTS_DUCKDB_MEMORY: "4GB"; half of what there is by default."""
    text = os.environ.get("DATAPRODUCTS_DUCKDB_MEMORY", "")
    if text and not re.fullmatch(r"\d+(\.\d+)? ?[KMGT]i?B", text):
        raise ConfigurationError(f"DATAPRODUCTS_DUCKDB_MEMORY is {text!r}, which is no amount of memory; write it as 4GB")
    return text or f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') // 2**21}MiB"


def sql_engine() -> Literal["duckdb", "bigquery"]:
    """What computes SQL datasets, DATAPRODUCTS_SQL_ENGINE: by default BigQuery in the environment gcp with a project, else DuckDB."""
    name = os.environ.get("DATAPRODUCTS_SQL_ENGINE", "")
    if name not in ("", "duckdb", "bigquery"):
        raise ConfigurationError(f"DATAPRODUCTS_SQL_ENGINE is {name!r}, and there is no such engine; set it to duckdb or bigquery")
    is_there = environment() == "gcp" and bool(os.environ.get("BIGQUERY_PROJECT"))
    return "bigquery" if name == "bigquery" or (not name and is_there) else "duckdb"


def run_as(variable: str) -> Literal["process", "pod"]:
    """How scripts are run (DATAPRODUCTS_SCRIPTS), or steps (DATAPRODUCTS_STEPS): where the launcher of a run says pod, as pods."""
    name = os.environ.get(variable) or "process"
    if name not in ("process", "pod"):
        raise ConfigurationError(f"{variable} is {name!r}, and nothing is run like that; set it to process or pod")
    return "pod" if name == "pod" else "process"


def maximum_bytes_billed() -> int:
    """How much one query of a SQL dataset may read at BigQuery, DATAPRODUCTS_SQL_MAXIMUM_BYTES_BILLED; 100 GB by default."""
    text = os.environ.get("DATAPRODUCTS_SQL_MAXIMUM_BYTES_BILLED", "") or "100000000000"
    if not text.isdigit() or not int(text):
        raise ConfigurationError(
            f"DATAPRODUCTS_SQL_MAXIMUM_BYTES_BILLED is {text!r}, which is no number of bytes; write it as 100000000000"
        )
    return int(text)


def packages() -> str:
    """URL or path under which data packages are published, DATAPRODUCTS_PACKAGES (default `packages` under the home)."""
    return os.environ.get("DATAPRODUCTS_PACKAGES", "").rstrip("/") or str(home() / "packages")


def required(variable: str, why: str) -> str:
    """The value of an environment variable, or of the secret that it names; where it is not set, one sentence that says what it is for."""
    value = secret_of(variable)
    if not value:
        raise ConfigurationError(f"{variable} is not set; it has to give {why}")
    return value


def split_name(name: str) -> tuple[str, str]:
    """ "product/dataset" as a pair; anything else is an UnknownDataset."""
    parts = name.split("/") if isinstance(name, str) else []
    if len(parts) != 2 or not all(re.fullmatch(r"[a-z][a-z0-9_]*", part) for part in parts):
        raise UnknownDataset(f"{name!r} is not the name of a dataset; write it as product/dataset")
    return parts[0], parts[1]


def location() -> str:
    """The code location's name in messages, DATAPRODUCTS_LOCATION: keep it, as a catalog knows what is ours by it."""
    name = os.environ.get("DATAPRODUCTS_LOCATION") or "dataproducts"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}", name):
        raise ConfigurationError(f"DATAPRODUCTS_LOCATION is {name!r}; a location's name is letters, digits, '_', '.', ':' and '-'")
    return name


def catalog_pages() -> str:
    """The address of the catalog's pages, CATALOG_BASE_URL (default http://localhost:8080), without a slash at the end."""
    return os.environ.get("CATALOG_BASE_URL", "").rstrip("/") or "http://localhost:8080"


def dagster_pages() -> str:
    """The address of Dagster's pages, CATALOG_DAGSTER_URL (default http://localhost:3000), without a slash at the end."""
    return os.environ.get("CATALOG_DAGSTER_URL", "").rstrip("/") or "http://localhost:3000"


def runbook() -> str:
    """Where people find the runbook, DATAPRODUCTS_RUNBOOK_URL; by default its place in the repository."""
    return os.environ.get("DATAPRODUCTS_RUNBOOK_URL", "") or "docs/runbook.md"
