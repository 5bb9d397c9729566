"""Making what is at BigQuery as it is to be: datasets, tables, views, functions; and finding what others have changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dataproducts.errors import PortError
from dataproducts.ports.bigquery import reading
from dataproducts.ports.bigquery.columns import STAMPS, Field, difference
from dataproducts.ports.bigquery.connection import Connection, told
from dataproducts.ports.bigquery.tables import DEPRECATED, MAJOR, MANAGED, Names, Target

if TYPE_CHECKING:
    from google.cloud import bigquery

_OURS = (MANAGED, "product", "dataset")


def dataset_location(connection: Connection, names: Names, labels: dict[str, str]) -> str:
    """The location of the BigQuery dataset, which is created where there is none."""
    from google.cloud import bigquery

    name = f"{names.project}.{names.dataset}"
    with told(connection, f"when looking for the dataset {name}", _permission(connection)):
        found = connection.found_dataset(names.dataset)
    if found is None:
        wanted = bigquery.Dataset(name)
        wanted.location = connection.location
        wanted.labels = {k: labels[k] for k in (MANAGED, "product")}
        remedy = (
            f"create it with `bq --location={connection.location} mk --dataset {names.project}:{names.dataset}`, or on nais with "
            f"`gcp: {{bigQueryDatasets: [{{name: {names.dataset}, permission: READWRITE}}]}}` in the manifest, and run again"
        )
        with told(connection, f"when creating the dataset {name}", remedy):
            found = connection.create_dataset(wanted)
    return str(found.location or connection.location)


def rows_table(connection: Connection, target: Target) -> bigquery.Table:
    """The table of rows: created, widened by new columns, or as it is. PortError where someone else has changed it."""
    from google.cloud import bigquery

    partitioning = bigquery.TimePartitioning(type_=target.partition_by.upper(), field="_dp_day")
    return _table(connection, target, target.names.rows, target.columns, partitioning, target.cluster_by)


def versions_table(connection: Connection, target: Target) -> bigquery.Table:
    """The table of versions, likewise."""
    return _table(connection, target, target.names.versions, target.ledger, None, ("_dp_partition", "_dp_version"))


def readers(connection: Connection, target: Target, is_filled: bool) -> None:
    """The view and the function that readers use. They pass to a newer major once a version of it has arrived, never back."""
    names = target.names
    with told(connection, f"when looking for the view {names.view}", _permission(connection)):
        view = connection.found_table(names.view)
    if view is not None:
        _refuse_others(connection, target, view, names.view, "VIEW")
        held = int((view.labels or {}).get(MAJOR, names.major))
        if held > names.major or (held < names.major and not is_filled):
            return
    _view(connection, target, names.view, view, target.current)
    _function(connection, target)


def view(connection: Connection, target: Target, sql: str) -> None:
    """The view of a dataset that is one. A table of that name, or what is someone else's, is refused."""
    name = target.names.view
    with told(connection, f"when looking for the view {name}", _permission(connection)):
        found = connection.found_table(name)
    if found is not None:
        _refuse_others(connection, target, found, name, "VIEW")
        if int((found.labels or {}).get(MAJOR, target.names.major)) > target.names.major:
            return
    _view(connection, target, name, found, sql)


def supersede(connection: Connection, older: Target, newer: Target) -> None:
    """Mark the tables of an older major with the day from which they are deprecated, and give their readers a view of their own.

    Nothing where there are no such tables: what the dataset has of that major is then for another run to deliver, which does this too.
    """
    today = datetime.now(UTC).date().isoformat()
    with told(connection, f"when marking {older.names.rows} as deprecated", _permission(connection)):
        tables = [connection.found_table(name) for name in (older.names.rows, older.names.versions)]
        if None in tables:
            return
        for table in tables:
            assert table is not None
            if DEPRECATED in (table.labels or {}):
                continue
            table.labels = {**table.labels, DEPRECATED: today}
            table.description = (
                f"Deprecated since {today}: contract {newer.contract} is in {newer.names.rows}.\n\n{table.description or ''}"
            )
            connection.change_table(table, ["labels", "description"])
        pinned = connection.found_table(older.names.pinned)
    if pinned is not None:
        _refuse_others(connection, older, pinned, older.names.pinned, "VIEW")
    _view(connection, older, older.names.pinned, pinned, older.current)


def _table(
    connection: Connection,
    target: Target,
    name: str,
    columns: Sequence[Field],
    partitioning: Any,
    cluster_by: Sequence[str],
) -> bigquery.Table:
    from google.cloud import bigquery

    with told(connection, f"when looking for the table {name}", _permission(connection)):
        found = connection.found_table(name)
    if found is None:
        wanted = bigquery.Table(name, schema=[bigquery.SchemaField.from_api_repr(c) for c in columns])
        wanted.description = target.description
        wanted.labels = dict(target.labels)
        wanted.clustering_fields = list(cluster_by)
        if partitioning is not None:
            wanted.time_partitioning = partitioning
            wanted.require_partition_filter = True
        with told(connection, f"when creating the table {name}", _permission(connection)):
            found = connection.create_table(wanted)
    _refuse_others(connection, target, found, name, "TABLE")
    if partitioning is not None:
        _refuse_other_partitions(connection, found, name, partitioning)
    return _widened(connection, target, found, name, columns)


def _widened(connection: Connection, target: Target, found: bigquery.Table, name: str, columns: Sequence[Field]) -> bigquery.Table:
    """Take in columns that came with a newer minor version; what differs otherwise is someone else's doing."""
    from google.cloud import bigquery

    there = {f.name.lower(): f.to_api_repr() for f in found.schema}
    label = (found.labels or {}).get("contract")
    is_ours = label == target.labels["contract"]
    is_behind = not is_ours and _numbers(label) < _numbers(target.labels["contract"])
    stamped = {f["name"] for f in STAMPS}
    schema = [f.to_api_repr() for f in found.schema]
    missing = [c for c in columns if c["name"].lower() not in there]
    for column in missing:
        if is_ours or column["name"] in stamped:
            raise PortError(
                f"{connection.dataset}: table {name} at BigQuery has lost its column {column['name']!r}, which someone else has dropped; "
                "restore the table as it was, or publish under a new major version of the contract"
            )
    for column in columns:
        held = there.get(column["name"].lower())
        if held is not None and (differing := difference(column, held)):
            raise PortError(
                f"{connection.dataset}: column {column['name']!r} of table {name} at BigQuery is {differing}, which someone else has "
                "changed; restore the table as it was, or publish under a new major version of the contract"
            )
    known = {c["name"].lower(): c for c in columns}
    for held in schema:
        if held["name"].lower() not in known and held.get("mode") == "REQUIRED":
            raise PortError(
                f"{connection.dataset}: table {name} at BigQuery demands a column {held['name']!r} that is not the port's, which someone "
                "else has added; drop it or make it NULLABLE"
            )
    relaxed = [f for f in schema if f.get("mode") == "REQUIRED" and known.get(f["name"].lower(), f)["mode"] == "NULLABLE"]
    if not (missing or relaxed or is_behind):
        return found
    schema = [{**f, "mode": "NULLABLE"} if f in relaxed else f for f in schema]
    if is_behind:
        told_by_us = {n: {k: c[k] for k in ("description", "policyTags", "fields") if k in c} for n, c in known.items()}
        schema = [{**f, **told_by_us.get(f["name"].lower(), {})} for f in schema]
    schema += [{**c, "mode": "NULLABLE"} if c["mode"] == "REQUIRED" else c for c in missing]
    found.schema = [bigquery.SchemaField.from_api_repr(f) for f in schema]
    found.labels = {**(found.labels or {}), **target.labels}
    found.description = target.description
    with told(connection, f"when adding columns to the table {name}", _permission(connection)):
        return connection.change_table(found, ["schema", "labels", "description"])


def _refuse_others(connection: Connection, target: Target, found: bigquery.Table, name: str, kind: str) -> None:
    labels = found.labels or {}
    if found.table_type != kind or any(labels.get(k) != target.labels[k] for k in _OURS):
        whose = f"{labels.get('product')}/{labels.get('dataset')}" if labels.get(MANAGED) == target.labels[MANAGED] else "someone else"
        raise PortError(
            f"{connection.dataset}: {name} at BigQuery is there already and belongs to {whose}; declare another dataset or table of "
            "the port, or remove it"
        )


def _refuse_other_partitions(connection: Connection, found: bigquery.Table, name: str, wanted: Any) -> None:
    held = found.time_partitioning
    if held is None or (held.type_, held.field) != (wanted.type_, wanted.field):
        has = f"by {held.field} ({held.type_.lower()})" if held is not None else "not at all"
        raise PortError(
            f"{connection.dataset}: table {name} at BigQuery is partitioned {has} and the port declares {wanted.type_.lower()!r}, which "
            "cannot be changed; declare what it has, or another table"
        )


def _view(connection: Connection, target: Target, name: str, found: bigquery.Table | None, sql: str) -> None:
    from google.cloud import bigquery

    labels = {**target.labels, MAJOR: str(target.names.major)}
    with told(connection, f"when making the view {name}", _permission(connection)):
        if found is None:
            wanted = bigquery.Table(name)
            wanted.view_query = sql
            wanted.labels, wanted.description = labels, target.description
            found = connection.create_table(wanted)
        elif found.view_query != sql or found.labels.get("contract") != labels["contract"]:
            found.view_query = sql
            found.labels, found.description = labels, target.description
            found = connection.change_table(found, ["view_query", "labels", "description"])
        else:
            return
        fresh = connection.found_table(name)  # whose columns BigQuery has found from the query
        if fresh is None or not fresh.schema:
            return
        said = {c["name"].lower(): c.get("description", "") for c in (*target.columns, *target.ledger)}
        columns = [f.to_api_repr() for f in fresh.schema]
        described = [{**f, "description": said.get(f["name"].lower(), "")} for f in columns]
        fresh.schema = [bigquery.SchemaField.from_api_repr(f) for f in described]
        connection.change_table(fresh, ["schema"])


def _function(connection: Connection, target: Target) -> None:
    from google.cloud import bigquery

    name = target.names.function
    with told(connection, f"when making the function {name}", _permission(connection)):
        found = connection.found_routine(name)
        if found is not None and found.body == target.as_of:
            return
        moment = bigquery.RoutineArgument(
            name=reading.MOMENT, data_type=bigquery.StandardSqlDataType(type_kind=bigquery.StandardSqlTypeNames.TIMESTAMP)
        )
        wanted = bigquery.Routine(
            name,
            type_="TABLE_VALUED_FUNCTION",
            language="SQL",
            arguments=[moment],
            body=target.as_of,
            description=f"As the view {target.names.table}, of what was known at a moment. {target.description}"[:1_000],
        )
        connection.put_routine(wanted, found is not None)


def _permission(connection: Connection) -> str:
    return f"give the run's service account roles/bigquery.dataEditor on the dataset and roles/bigquery.jobUser in {connection.project}"


def _numbers(label: str | None) -> tuple[int, ...]:
    parts = (label or "").split("-")
    return tuple(int(p) for p in parts) if all(p.isdigit() for p in parts) else (0,)
