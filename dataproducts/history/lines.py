"""Lines that are only ever added: a small append-only Delta table, for journals and registries beside the histories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from dataproducts.errors import HistoryError
from dataproducts.history.table import KEPT_FOR_EVER, refuse_newer

if TYPE_CHECKING:
    from deltalake import DeltaTable


class Lines:
    """A table of lines at a local path or an object-store URL. It is made with its first line.

    `trouble` makes the sentence of a HistoryError out of what the file system or the Delta library says.
    """

    def __init__(self, url: str, schema: Mapping[str, pl.DataType], trouble: Callable[[str], str]) -> None:
        self.url = url
        self.schema = dict(schema)
        self._trouble = trouble
        self._table: DeltaTable | None = None
        self._read: set[str] = set()

    def unread(self) -> pl.DataFrame | None:
        """The rows of files that were not read before, those that others wrote among them; None where there are none.

        A file that took the place of others holds their rows again.
        """
        table = self._opened(create=False)
        if table is None:
            return None
        with self.told():
            table.update_incremental()
            refuse_newer(table, self.url)
            # not `file_uris`, which are percent-encoded: a home may have spaces and letters of any alphabet
            held = pl.DataFrame(table.get_add_actions(flatten=True)).get_column("path")
            paths = [path for path in held if path not in self._read]
            if not paths:
                return None
            rows = pl.read_parquet([f"{self.url}/{path}" for path in paths], hive_partitioning=False, glob=False)
            self._read.update(paths)
        return rows.select(list(self.schema))

    def table(self) -> DeltaTable:
        """The table as last read, made where it is not there."""
        table = self._opened(create=True)
        assert table is not None
        return table

    def append(self, rows: list[list[Any]], commit: Any) -> None:
        """Write rows, all or none, with these commit properties. CommitFailedError is the caller's to understand."""
        from deltalake import PostCommitHookProperties, write_deltalake

        table = self.table()
        with self.told():
            write_deltalake(
                table,
                pl.DataFrame(rows, schema=self.schema, orient="row").to_arrow(),
                mode="append",
                commit_properties=commit,
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
            )

    def compact(self) -> None:
        """Put the lines into few files. Where another run is at it, or there is no room, they stay as they are."""
        from deltalake import PostCommitHookProperties
        from deltalake.exceptions import DeltaError

        with suppress(DeltaError, OSError):
            self.table().optimize.compact(post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False))

    @contextmanager
    def told(self) -> Iterator[None]:
        """What the file system and the Delta library say, as one sentence."""
        from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

        try:
            yield
        except (CommitFailedError, TableNotFoundError):
            raise
        except (OSError, DeltaError, pl.exceptions.PolarsError) as error:
            said = str(error).strip().splitlines()
            raise HistoryError(self._trouble(said[0] if said else type(error).__name__)) from error

    def _opened(self, create: bool) -> DeltaTable | None:
        from deltalake import DeltaTable, Schema
        from deltalake.exceptions import DeltaError, TableNotFoundError

        if self._table is not None:
            return self._table
        local = "://" not in self.url
        with self.told():
            if local and not create and not (Path(self.url) / "_delta_log").exists():
                return None
            try:
                found = DeltaTable(self.url)
            except (TableNotFoundError, OSError):
                if not create:
                    return None
                if local:
                    Path(self.url).mkdir(parents=True, exist_ok=True)
                schema = Schema.from_arrow(pl.DataFrame(schema=self.schema).to_arrow().schema)
                with suppress(DeltaError):  # another run created it
                    DeltaTable.create(self.url, schema=schema, mode="error", configuration=KEPT_FOR_EVER, raise_if_key_not_exists=False)
                found = DeltaTable(self.url)
        refuse_newer(found, self.url)
        self._table = found
        return found
