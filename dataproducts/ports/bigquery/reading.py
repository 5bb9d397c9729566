"""The SQL of what readers use: current content and content as of a moment, each over the table of rows and the table of versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from dataproducts.contract import Contract
from dataproducts.history.intervals import CLOSED, FROM, TO
from dataproducts.ports.bigquery.columns import BATCH, CONTRACT, DAY, HASH, KNOWN_AT, PARTITION, VERSION

MOMENT = "moment"
"""The parameter of the as-of function."""

_ANY_DAY = f"held.{DAY} >= DATE '0001-01-01'"
_SHOWN = (PARTITION, VERSION, KNOWN_AT, CONTRACT, DAY)


def current(kind: str, names: Sequence[str], key: Sequence[str], rows: str, versions: str) -> str:
    """What `dataproducts.read` gives: the newest version of each partition; of snapshots the newest only, of a history its intervals.

    `names` are the stored columns, `rows` and `versions` full names of tables. Rows count only with the version's batch, so what a load
    that was given up may have left is never read.
    """
    return _select(kind, names, key, rows, versions, "TRUE")


def as_of(kind: str, names: Sequence[str], key: Sequence[str], rows: str, versions: str) -> str:
    """As `current`, of what was known at or before the moment that is the function's parameter."""
    return _select(kind, names, key, rows, versions, f"{KNOWN_AT} <= {MOMENT}")


def of_versions(
    kind: str, names: Sequence[str], key: Sequence[str], rows: str, versions: str, parameter: str, days: tuple[date, date] | None
) -> str:
    """As `current`, of chosen versions: one of each partition, as "partition number" in an array parameter; `days` are theirs."""
    known = f"CONCAT({PARTITION}, ' ', CAST({VERSION} AS STRING)) IN UNNEST(@{parameter})"
    within = f"held.{DAY} BETWEEN DATE '{days[0]}' AND DATE '{days[1]}'" if days else "FALSE"
    return _select(kind, names, key, rows, versions, known, within)


def stored_names(contract: Contract) -> list[str]:
    """Columns that the table of rows holds beside the stamps; of a history the changes that its intervals follow from."""
    return [n for n in contract.names if n != TO] + [CLOSED] if contract.kind == "history" else list(contract.names)


def quoted(name: str) -> str:
    """An identifier, or a path of them."""
    return f"`{name}`"


def _select(kind: str, names: Sequence[str], key: Sequence[str], rows: str, versions: str, known: str, days: str = _ANY_DAY) -> str:
    if kind == "snapshot":  # successive states of the whole
        newest = f"ORDER BY {PARTITION} DESC, {VERSION} DESC\n  LIMIT 1"
    else:
        newest = f"QUALIFY ROW_NUMBER() OVER (PARTITION BY {PARTITION} ORDER BY {VERSION} DESC) = 1"
    chosen = (
        f"WITH chosen AS (\n  SELECT {PARTITION}, {VERSION}, {BATCH}, {HASH}\n  FROM {quoted(versions)}\n  WHERE {known}\n  {newest}\n)"
    )
    own = [quoted(n) for n in names]
    shown = ",\n  ".join([*(f"held.{n}" for n in own), *(f"held.{n}" for n in _SHOWN), f"chosen.{HASH}"])
    # the table demands a filter on its day; readers' own filters on it reach the table
    held = (
        f"FROM {quoted(rows)} AS held\nJOIN chosen\n  ON held.{PARTITION} = chosen.{PARTITION}\n  AND held.{VERSION} = chosen.{VERSION}\n"
        f"  AND held.{BATCH} = chosen.{BATCH}\nWHERE {days}"
    )
    if kind != "history":
        return f"{chosen}\nSELECT\n  {shown}\n{held}"
    by = ", ".join(f"held.{quoted(n)}" for n in key if n != FROM)
    following = f"LEAD(held.{quoted(FROM)}) OVER (PARTITION BY {by} ORDER BY held.{quoted(FROM)}) AS {quoted(TO)}"
    result = ",\n  ".join([*(n for n in own if n != quoted(CLOSED)), quoted(TO), *_SHOWN, HASH])
    changes = f"{chosen}, changes AS (\nSELECT\n  {shown},\n  {following}\n{held}\n)"
    return f"{changes}\nSELECT\n  {result}\nFROM changes\nWHERE NOT {quoted(CLOSED)}"
