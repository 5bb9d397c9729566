"""Load jobs: versions as one Parquet file, appended by a job whose id says what it carries, so that nothing is ever appended twice."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts.errors import PortError, PortUnavailable
from dataproducts.history.ledger import STAMPS, Version
from dataproducts.history.store import DatasetHistory
from dataproducts.ports.bigquery.columns import (
    BATCH,
    CONTRACT,
    DAY,
    HASH,
    KNOWN_AT,
    LEDGER_TYPES,
    PARTITION,
    ROWS,
    VERSION,
    Field,
    arrow_schema,
    has_lists,
    kept,
)
from dataproducts.ports.bigquery.connection import Connection, told
from dataproducts.ports.bigquery.tables import Target

if TYPE_CHECKING:
    from google.cloud import bigquery

_CELLS_AT_ONCE = 2_000_000  # rows x columns written in one piece
_TRIES = 5
_PASSING = frozenset(
    {
        "backendError",
        "internalError",
        "jobBackendError",
        "jobInternalError",
        "rateLimitExceeded",
        "jobRateLimitExceeded",
        "quotaExceeded",
        "stopped",
        "timeout",
    }
)
_WAIT = 1_800.0  # seconds until a running job is left to the next run
_POLL = 5.0


def job_id(table: bigquery.Table, identity: str) -> str:
    """The id of the job that carries a batch to a table: another one if the table has been dropped and made again."""
    made = table.created.timestamp() if table.created else 0
    return "dataproducts_" + sha256(f"{table.full_table_id} {made} {identity}".encode()).hexdigest()[:40]


def load(
    connection: Connection,
    table: bigquery.Table,
    location: str,
    job: str,
    write: Callable[[Path], None],
    labels: Mapping[str, str],
    undecided: bool,
) -> str:
    """Append a file, written when needed, to a table exactly once, whoever else is at it; gives the id of the job that did.

    A job that has failed stays failed and keeps its id. Where the reason passes the next id in order is tried, by every run in the same
    order. Where it does not, everyone who tries finds that job, so PortError is certain to be true. With `undecided`, which says that
    something else of the batch has arrived, every reason is taken to pass.
    """
    name = f"{table.project}.{table.dataset_id}.{table.table_id}"
    begun = attempt = 0
    while True:
        attempt += 1
        tried = job if attempt == 1 else f"{job}_{attempt}"
        done, is_new = _begun(connection, table, location, tried, write, labels)
        begun += is_new
        done = _settled(connection, done, name)
        if done.error_result is None:
            return tried
        text = " ".join(str(done.error_result.get("message", "")).split())[:500].rstrip(".")
        said = f"{connection.dataset}: BigQuery did not load job {tried} into {name}: {text}; nothing of it was stored"
        if done.error_result.get("reason") not in _PASSING and not undecided:
            raise PortError(said)
        if begun >= _TRIES:
            raise PortUnavailable(f"{said}, run again later")
        if is_new:
            time.sleep(random.uniform(0, min(_POLL, 0.5 * 2**begun)))


def write_rows(
    history: DatasetHistory,
    versions: Sequence[Version],
    target: Target,
    there: Sequence[Field],
    day: Callable[[Version], date],
    batch: str,
    path: Path,
) -> None:
    """The rows of versions of one major as a Parquet file for a table with these columns, in bounded memory. Durable it need not be."""
    import pyarrow.parquet as pq

    table = history.table(target.names.major)
    own = [f["name"] for f in there if f["name"] in target.dtypes]
    held = [n for n in own if n in table.dtypes]
    days = pl.DataFrame(
        [[v.partition, v.number, day(v)] for v in versions],
        schema={"_partition": pl.String(), "_version": pl.Int64(), DAY: pl.Date()},
        orient="row",
    )
    dtypes = {**target.dtypes, **{n: t for n, t in LEDGER_TYPES.items() if n not in (ROWS, HASH)}}
    schema = arrow_schema(there, dtypes)
    lists = [n for n in held if has_lists(target.dtypes[n])]
    renamed = {"_partition": PARTITION, "_version": VERSION, "_known_at": KNOWN_AT, "_contract": CONTRACT}
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        # in pieces of a version or more, for a piece is cheap to write and dear to begin
        at_once = max(1, _CELLS_AT_ONCE // len(schema.names))
        for piece in history.batches(versions, [*held, *STAMPS], at_once):
            rows = piece.join(days, on=["_partition", "_version"], how="left", maintain_order="left").rename(renamed)
            missing = [pl.lit(None, target.dtypes[n]).alias(n) for n in own if n not in held]
            of_lists = [kept(pl.col(n), target.dtypes[n]).alias(n) for n in lists]
            rows = rows.with_columns(pl.lit(batch).alias(BATCH), *missing, *of_lists).select(schema.names)
            writer.write_table(rows.to_arrow().cast(schema))


def write_versions(versions: Sequence[Version], there: Sequence[Field], day: Callable[[Version], date], batch: str, path: Path) -> None:
    """The table of versions' rows for these versions."""
    import pyarrow.parquet as pq

    frame = pl.DataFrame(
        [[v.partition, v.number, v.known_at, v.contract, day(v), batch, v.rows, v.content_hash] for v in versions],
        schema=LEDGER_TYPES,
        orient="row",
    )
    schema = arrow_schema(there, LEDGER_TYPES)
    pq.write_table(frame.select(schema.names).to_arrow().cast(schema), path, compression="zstd")


@contextmanager
def scratch() -> Iterator[Path]:
    """A file that goes when the load is done."""
    with tempfile.TemporaryDirectory(prefix="dataproducts-") as folder:
        yield Path(folder) / "batch.parquet"


def _begun(
    connection: Connection,
    table: bigquery.Table,
    location: str,
    job: str,
    write: Callable[[Path], None],
    labels: Mapping[str, str],
) -> tuple[Any, bool]:
    """The job of this id, found or begun, and whether it was begun. Looked for first: BigQuery refuses a repeat once it is uploaded."""
    from google.api_core.exceptions import Conflict

    name = f"{table.project}.{table.dataset_id}.{table.table_id}"
    doing = f"when loading into {name}"
    with told(connection, doing, undecided=True):
        found = connection.found_job(job, location)
    if found is not None:
        return found, False
    with scratch() as path:
        try:
            write(path)
        except OSError as error:
            raise PortUnavailable(
                f"{connection.dataset}: {path.parent} cannot be written ({error.strerror}); free some space and run again"
            ) from error
        with path.open("rb") as file, told(connection, doing, undecided=True):
            try:
                return connection.load(file, os.fstat(file.fileno()).st_size, name, job, location, _config(table, labels)), True
            except Conflict:
                found = connection.found_job(job, location)
                if found is None:
                    raise
                return found, False


def _settled(connection: Connection, job: Any, name: str) -> Any:
    """Wait until a job, whoever began it, is done."""
    until = time.monotonic() + _WAIT
    pause = 0.05
    while job.state != "DONE":
        if time.monotonic() > until:
            raise PortUnavailable(f"{connection.dataset}: BigQuery is still loading job {job.job_id} into {name}; run again later")
        time.sleep(pause)
        pause = min(_POLL, pause * 2)
        with told(connection, f"when loading into {name}", undecided=True):
            connection.reload(job)
    return job


def _config(table: bigquery.Table, labels: Mapping[str, str]) -> bigquery.LoadJobConfig:
    from google.cloud import bigquery

    lists = bigquery.ParquetOptions()  # type: ignore[no-untyped-call]
    lists.enable_list_inference = True  # without, every list arrives empty
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        schema=table.schema,
        write_disposition=bigquery.WriteDisposition.WRITE_APPEND,
        create_disposition=bigquery.CreateDisposition.CREATE_NEVER,
        labels=dict(labels),
    )
    config.parquet_options = lists
    config.decimal_target_types = ["NUMERIC", "BIGNUMERIC"]
    config.column_name_character_map = "STRICT"  # names with letters such as 'æ' as they are, not with '_' in their place
    return config
