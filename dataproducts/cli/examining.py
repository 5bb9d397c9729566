"""What a code location needs around it, looked at piece by piece: each piece is well, or says what to do."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dataproducts import settings
from dataproducts.cli import location
from dataproducts.cli.instance import dagster_home
from dataproducts.cli.tables import count
from dataproducts.errors import DataProductsError

if TYPE_CHECKING:
    from dataproducts.product import DataProduct

State = Literal["well", "idle", "wrong"]

LEAST_ROOM = 2 * 2**30
"""Bytes that have to be free where data and what does not fit into memory lie."""
CLOCK_SECONDS = 5.0
_DAGSTER = ("dagster", "dagster-webserver", "dagster-gcp", "dagster-k8s")
_CATALOG_SECONDS = 10.0
_TABLES = 20  # of the lake, whose format is looked at
_QUICK = {"timeout": "10s", "connect_timeout": "5s"}  # of an object store, whose own patience is minutes


@dataclass(frozen=True)
class Finding:
    """How one piece is: well, idle (not in use here, which is no fault), or wrong with what to do about it."""

    piece: str
    state: State
    text: str


def examine() -> Iterator[Finding]:
    """Look at every piece; one that is wrong stops none of the others."""
    located: dict[str, DataProduct] = {}
    yield _look("versions", _versions)
    yield _look("products", lambda: _products(located))
    yield _look("environment", _environment)
    yield _look("disk", _disk)
    yield _look("lake", _lake)
    yield _look("format", lambda: _format(located))
    yield _look("Dagster", _dagster)
    yield _look("catalog", _catalog)
    yield _look("Kafka", lambda: _kafka(located))
    yield _look("BigQuery", lambda: _bigquery(located))
    yield _look("secrets", lambda: _secrets(located))
    yield _look("programs", lambda: _programs(located))
    yield _look("alerts", lambda: _alerts(located))


def _look(piece: str, at: Callable[[], tuple[State, str]]) -> Finding:
    try:
        state, text = at()
    except DataProductsError as error:
        return Finding(piece, "wrong", " ".join(str(error).split()))
    except Exception as error:  # whatever a library or an author's code says
        return Finding(piece, "wrong", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    return Finding(piece, state, text)


def _versions() -> tuple[State, str]:
    python = sys.version_info
    if not (3, 11) <= python < (3, 14):
        return (
            "wrong",
            f"Python is {python.major}.{python.minor}, and 3.11 to 3.13 are supported; make the environment anew with one of them",
        )
    found = {}
    for name in _DAGSTER:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            return "wrong", f"{name} is not installed; install dataproducts again"
    if found["dagster"] != found["dagster-webserver"]:
        return "wrong", f"dagster is {found['dagster']} and dagster-webserver {found['dagster-webserver']}; install the same of both"
    return (
        "well",
        f"Python {python.major}.{python.minor}.{python.micro}, Dagster {found['dagster']}, dataproducts {version('dataproducts')}",
    )


def _products(located: dict[str, DataProduct]) -> tuple[State, str]:
    from dataproducts.definitions import build_defs, products

    datasets = location.declared()
    located.update(products())
    build_defs()
    return "well", f"{count(len(located), 'product')} with {count(len(datasets), 'dataset')}"


def _environment() -> tuple[State, str]:
    from dataproducts.definitions import resources

    names = sorted(resources())
    return "well", f"{settings.environment()}, with the resources {', '.join(names) or 'none'}"


def _disk() -> tuple[State, str]:
    said = []
    for path in dict.fromkeys((settings.home(), Path(tempfile.gettempdir()))):
        if (fault := _unwritable(path)) is not None:
            return "wrong", f"{path} cannot be written ({fault}); give write access, or set DATAPRODUCTS_HOME or TMPDIR"
        free = shutil.disk_usage(path).free
        if free < LEAST_ROOM:
            return "wrong", f"{path} has {_size(free)} free, and {_size(LEAST_ROOM)} is the least; make room, or set TMPDIR"
        said.append(f"{path} has {_size(free)} free")
    return "well", "; ".join(said)


def _unwritable(folder: Path) -> str | None:
    """Why a folder cannot be written, or None."""
    probe = folder / f".doctor-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _lake() -> tuple[State, str]:
    """Something is written, read back and taken away again, at an object store too."""
    lake = settings.lake()
    if "://" not in lake:
        if (fault := _unwritable(Path(lake))) is not None:
            return "wrong", f"{lake} cannot be written ({fault}); give write access, or set DATAPRODUCTS_LAKE to another place"
        return "well", lake
    import polars as pl
    from deltalake.fs import DeltaStorageHandler

    name, written = f"doctor-{uuid.uuid4().hex[:8]}.parquet", pl.DataFrame({"written_by": ["dataproducts doctor"]})
    try:
        written.write_parquet(f"{lake}/{name}", storage_options={**_QUICK, "max_retries": 1})
        back = pl.read_parquet(f"{lake}/{name}", storage_options={**_QUICK, "max_retries": 1})
        DeltaStorageHandler(lake, {**_QUICK, "max_retries": "1"}).delete_file(name)
    except Exception as error:  # each store has its own
        said = " ".join(str(error).split())[:300]
        return "wrong", f"{lake} cannot be written and read ({said}); check its address, the credentials, and that they may write there"
    return ("well", lake) if back.equals(written) else ("wrong", f"{lake} gives back something else than was written; tell whoever runs it")


def _format(located: Mapping[str, DataProduct]) -> tuple[State, str]:
    """The format that the registry and the first tables state; one that is newer raises."""
    from dataproducts.erasure.registry import Registry
    from dataproducts.history.store import DatasetHistory
    from dataproducts.history.table import FORMAT_VERSION

    Registry(settings.lake()).refresh()
    names = [dataset.contract.dataset for product in located.values() for dataset in product.datasets.values()]
    held = [name for name in sorted(names)[:_TABLES] if DatasetHistory(settings.lake(), name).versions()]
    return "well", f"of the lake {FORMAT_VERSION} at most, as this version knows; {count(len(held), 'dataset')} looked at"


def _dagster() -> tuple[State, str]:
    import dagster as dg

    home = dagster_home()
    with dg.DagsterInstance.get() as instance:
        if (driver := getattr(getattr(instance.run_storage, "_engine", None), "driver", "")) == "psycopg":
            return "wrong", f"Dagster's SQL needs psycopg2, and its storage uses {driver}; begin the address with postgresql+psycopg2://"
        instance.get_runs(limit=1)
        kind = type(instance.run_storage).__name__.removesuffix("RunStorage")
        for storage in (instance.run_storage, instance.event_log_storage):
            found, wanted = storage.alembic_version() or (None, None)
            if found != wanted:
                return (
                    "wrong",
                    f"the tables of Dagster's {kind} storage are of revision {found}, not {wanted}; run `dagster instance migrate`",
                )
        beats = instance.get_daemon_statuses()
        alive = sorted(name for name, status in beats.items() if status.healthy)
    if not alive:
        return "idle", f"{kind} storage, {home}; no daemon is running, so nothing is started by itself: `dagster-daemon run`"
    return "well", f"{kind} storage, {home}; the daemon is running"


def _catalog() -> tuple[State, str]:
    from dataproducts.catalog.target import target

    url = os.environ.get("CATALOG_URL", "").rstrip("/")
    known = target().newest(settings.location())
    said = f"{count(len(known), 'dataset')} of {settings.location()} known"
    if not url:
        from dataproducts.catalog.database import Database
        from dataproducts.catalog.migrations import HEAD

        return "well", f"embedded in {'SQLite' if Database().is_sqlite else 'PostgreSQL'}, revision {HEAD}, {said}"
    import httpx

    answer = httpx.get(f"{url}/health/ready", timeout=_CATALOG_SECONDS)
    if answer.status_code != 200:
        return "wrong", f"{url} is not ready ({answer.status_code}: {answer.text.strip()[:200]}); look at its log"
    if date := answer.headers.get("date"):
        off = abs((parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds())
        if off > CLOCK_SECONDS:
            return "wrong", f"the clock here and that of {url} are {off:.0f} s apart; set both by NTP"
    return "well", f"{url}, {said}"


def _kafka(located: Mapping[str, DataProduct]) -> tuple[State, str]:
    from dataproducts.ports.kafka.connection import BROKERS, Brokers, Kafka
    from dataproducts.ports.kafka.reading import TopicInput
    from dataproducts.ports.kafka.topic import Topic

    written = {one.port.topic for p in located.values() for ports in p.ports.values() for one in ports if isinstance(one.port, Topic)}
    sources = [dataset.declaration.source for p in located.values() for dataset in p.datasets.values()]
    read = {source.name for source in sources if isinstance(source, TopicInput)}
    if not written | read:
        return "idle", "no dataset reads or writes a topic"
    if not os.environ.get(BROKERS):
        return "idle", f"{BROKERS} is not set: {_listed(written | read)} are neither written nor read"
    found = Kafka(Brokers.from_environment()).metadata()
    if gone := sorted(read - set(found.topics)):
        return "wrong", f"there is no topic {gone[0]} that this location may see; ask its owner for read access, or correct the name"
    return "well", f"{count(len(found.brokers), 'broker')} of {os.environ[BROKERS]}, {count(len(written | read), 'topic')} in use"


def _bigquery(located: Mapping[str, DataProduct]) -> tuple[State, str]:
    from dataproducts.definitions import port_resources, resources
    from dataproducts.ports.bigquery.connection import connected, told
    from dataproducts.ports.bigquery.declaration import PROJECT, BigQuery

    ports = [one for p in located.values() for of in p.ports.values() for one in of if isinstance(one.port, BigQuery)]
    if not ports and settings.sql_engine() != "bigquery":
        return "idle", "no dataset has a BigQuery port"
    project = os.environ.get(PROJECT, "")
    if not project:
        return "idle", f"{PROJECT} is not set, so nothing is written to BigQuery"
    given = {**port_resources(located), **resources()}
    with connected(given.get("bigquery"), "BigQuery", project, "") as connection, told(connection, "list datasets"):
        next(iter(connection.client.list_datasets(max_results=1)), None)
    return "well", f"project {project}, {count(len(ports), 'port')}"


def _secrets(located: Mapping[str, DataProduct]) -> tuple[State, str]:
    """Keys and variables that declared datasets cannot do without. No value is shown."""
    from dataproducts.erasure.registry import Registry
    from dataproducts.erasure.secret import secret
    from dataproducts.pseudonym import Keys
    from dataproducts.scripts.script import Script

    wanted = 0
    for product in located.values():
        for dataset in product.datasets.values():
            for column in dataset.contract.columns:
                if column.pseudonym is not None:
                    Keys.of(column.pseudonym, dataset.contract.dataset)
                    wanted += 1
            if isinstance(dataset.function, Script):
                for name in dataset.function.secrets:
                    wanted += 1
                    settings.required(name, f"a secret of the script of {dataset.contract.dataset}")
    if Registry(settings.lake()).refresh().lines:
        secret()
        wanted += 1
    return ("well", f"{count(wanted, 'secret')} in place") if wanted else ("idle", "no dataset needs one")


def _programs(located: Mapping[str, DataProduct]) -> tuple[State, str]:
    from dataproducts.scripts.script import Script

    needed: dict[str, str] = {}
    for product in located.values():
        for dataset in product.datasets.values():
            if isinstance(dataset.function, Script):
                for program in dataset.function.programs:
                    needed[program] = dataset.contract.dataset
    if not needed:
        return "idle", "no dataset is made by a script that needs one"
    beside = Path(sys.executable).parent
    for program, name in sorted(needed.items()):
        if shutil.which(program, path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}") is None:
            return "wrong", f"{program} is not installed, and {name} needs it; install it"
    return "well", ", ".join(sorted(needed))


def _alerts(located: Mapping[str, DataProduct]) -> tuple[State, str]:
    """Whether everybody who is declared can be told. Nothing is sent."""
    from dataproducts.alerts.sensor import recipients

    found = [one.receiver for one in recipients(located).values()]
    if not found:
        return "idle", "no product says who is to be told when something goes wrong"
    if unset := sorted({fault for receiver in found if (fault := receiver.fault()) is not None}):
        return "idle", f"not everybody is told: {'; '.join(unset)}"
    return "well", f"{count(len(found), 'receiver')}; `dataproducts alerts --test TEAM` tries one"


def _listed(names: set[str]) -> str:
    some = sorted(names)
    return ", ".join(some[:3]) + (f" and {len(some) - 3} more" if len(some) > 3 else "")


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
