"""Dagster's event log: events cannot be edited through Dagster, so their text is changed in its tables, and the file is written anew.

Of touched versions sample and profile go as a whole, for they show values cut short; elsewhere the values are taken out of the text.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataproducts.erasure.subjects import ERASED, Erased
from dataproducts.errors import HistoryError

if TYPE_CHECKING:
    import dagster as dg

    from dataproducts.dataset import Dataset

_TABLES = {"event_logs": "event", "asset_keys": "last_materialization", "asset_check_executions": "evaluation_event"}
_WIPED = {"sample", "profile", "dataproducts/profile", "examples"}
_VERSION = "dataproducts/version"
_PATIENCE = 30.0  # seconds to wait for another process that writes

Touched = Mapping[str, set[tuple[str, int]]]


def erase(instance: dg.DagsterInstance, erased: Mapping[str, Erased], touched: Touched) -> int:
    """Take those who are erased out of every event of their datasets; gives how many events were changed."""
    from dagster._core.storage.event_log import SqliteEventLogStorage

    storage: Any = instance.event_log_storage
    storage = getattr(storage, "_storage", storage)
    if not isinstance(storage, SqliteEventLogStorage):
        return _in_server(storage, erased, touched)
    changed = 0
    for path in sorted(Path(storage._base_dir).glob("*.db")):
        try:
            changed += _in_file(path, erased, touched)
        except sqlite3.OperationalError as error:
            raise HistoryError(f"Dagster's event log {path} cannot be written just now: {error}; resume the erasure") from error
    return changed + _in_output(instance, erased)


def tell(instance: dg.DagsterInstance, dataset: Dataset, touched: set[tuple[str, int]]) -> None:
    """Report the newest version of each touched partition as it is now, where the log has it otherwise; the catalog follows the log."""
    import dagster as dg

    from dataproducts.dataset import PREFIX, materialization
    from dataproducts.history.store import Committed
    from dataproducts.materialization import Outcome

    d = dataset.declaration
    for partition, version in dataset.history().current(major=d.contract.version.major).items():
        if (partition, version.number) not in touched or version.is_view:
            continue
        keys = [partition] if d.partitions is not None else None
        records = instance.fetch_materializations(dg.AssetRecordsFilter(asset_key=d.key, asset_partitions=keys), limit=1).records
        event = records[0].asset_materialization if records else None
        logged = event.metadata.get(f"{PREFIX}content_hash") if event is not None else None
        if logged is not None and logged.value == version.content_hash:
            continue
        count, emptied = (version.note[ERASED].get(name, 0) for name in ("count", "emptied"))
        said = f"{count:,} rows were erased from this version" + (f", and values in {emptied:,} others" if emptied else "")
        outcome = Outcome(partition, Committed(version, True), metadata={ERASED: said})
        instance.report_runless_asset_event(materialization(d, outcome))


def _in_file(path: Path, erased: Mapping[str, Erased], touched: Touched) -> int:
    with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as connection:
        connection.execute("pragma secure_delete=on")
        there = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        changed = 0
        for table, column in _TABLES.items():
            if table not in there:
                continue
            for name, one in erased.items():
                marks = _marks(name)
                sql = f"select rowid, {column} from {table} where " + " or ".join(f"instr({column}, ?)" for _ in marks)
                for row, text in connection.execute(sql, marks).fetchall():
                    new = _without(text, one, touched.get(name, set()))
                    if new != text:
                        connection.execute(f"update {table} set {column} = ? where rowid = ?", (new, row))
                        changed += 1
        # the index writes over what it has, which then lies in free pages; the file of a run does not, and there may be thousands
        if changed or path.stem == "index" or path.with_name(f"{path.name}-wal").exists():
            connection.execute("vacuum")
            connection.execute("pragma wal_checkpoint(truncate)")
    return changed


def _in_server(storage: Any, erased: Mapping[str, Erased], touched: Touched) -> int:
    import sqlalchemy as sa

    changed = 0
    with storage.index_connection() as connection:
        for table, column in _TABLES.items():
            for name, one in erased.items():
                marks = {f"m{i}": f"%{mark}%" for i, mark in enumerate(_marks(name))}
                like = " or ".join(f"{column} like :{m}" for m in marks)
                for row, text in connection.execute(sa.text(f"select id, {column} from {table} where {like}"), marks).fetchall():
                    new = _without(text, one, touched.get(name, set()))
                    if new != text:
                        connection.execute(sa.text(f"update {table} set {column} = :new where id = :row"), {"new": new, "row": row})
                        changed += 1
    return changed


def _in_output(instance: dg.DagsterInstance, erased: Mapping[str, Erased]) -> int:
    """What runs printed: kept by Dagster as files on a laptop."""
    values = {value.encode() for one in erased.values() for subjects in one.subjects for value in subjects.values}
    changed = 0
    with suppress(NotImplementedError, AttributeError):
        for path in Path(instance.storage_directory()).glob("*/compute_logs/*"):
            said = path.read_bytes()
            if any(value in said for value in values):
                for value in values:
                    said = said.replace(value, ERASED.encode())
                path.write_bytes(said)
                changed += 1
    return changed


def _marks(name: str) -> list[str]:
    """What stands in the events of a dataset: its key, and the name of its step."""
    product, dataset = name.split("/")
    return [f'["{product}", "{dataset}"', f'["{product}","{dataset}"', f"{product}__{dataset}"]


def _without(text: str, erased: Erased, touched: set[tuple[str, int]]) -> str:
    try:
        event = json.loads(text)
    except ValueError:
        return erased.scrubbed_text(text)
    entries = dict(_entries(event))
    number = entries.get(_VERSION)
    partition = _partition(event)
    wipe = bool(touched) and (number is None or (partition, number) in touched)
    new = _walked(event, erased, wipe)
    return text if new == event else json.dumps(new)


def _entries(value: Any) -> list[tuple[str, Any]]:
    """Labels of metadata with their numbers, wherever they stand."""
    if isinstance(value, list):
        return [pair for inner in value for pair in _entries(inner)]
    if not isinstance(value, dict):
        return []
    found = [pair for inner in value.values() for pair in _entries(inner)]
    if isinstance(value.get("entry_data"), dict):
        found.append((str(value.get("label")), value["entry_data"].get("value")))
    return found


def _partition(event: Any) -> str:
    """The partition of a materialization, as the lake has it."""
    from dataproducts.history.ledger import UNPARTITIONED

    inner = event.get("dagster_event") or {}
    data = inner.get("event_specific_data") or {}
    return (data.get("materialization") or event).get("partition") or UNPARTITIONED


def _walked(value: Any, erased: Erased, wipe: bool) -> Any:
    if isinstance(value, str):
        return erased.scrubbed_text(value)
    if isinstance(value, list):
        return [_walked(inner, erased, wipe) for inner in value]
    if not isinstance(value, dict):
        return value
    if wipe and value.get("label") in _WIPED and isinstance(value.get("entry_data"), dict):
        data = value["entry_data"]
        emptied = {"md_str": f"_{ERASED}_", "text": ERASED, "data": []}
        return {**value, "entry_data": {name: emptied.get(name, inner) for name, inner in data.items()}}
    return {name: _walked(inner, erased, wipe) for name, inner in value.items()}
