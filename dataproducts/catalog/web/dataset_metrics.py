"""Figures of every dataset for Prometheus: how fresh it is, how many rows it has, what failed, how far it is behind.

One series for each dataset and figure, whatever happens to it. Written as text at once: a library takes ten times as long for the
same lines. They are made anew at most every fifteen seconds, whoever asks.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa

from dataproducts.catalog import reading
from dataproducts.catalog import tables as t
from dataproducts.errors import DataProductsError

if TYPE_CHECKING:
    from dataproducts.catalog.web.catalog import Catalog

KEPT_SECONDS = 15.0
MOST = 25_000
"""Datasets with figures of their own; Prometheus holds each series for as long as it comes. Of those beyond only the number is told."""


@dataclass(frozen=True)
class Figure:
    """A family of series: its name below `dataproducts_`, what it means, and in which unit."""

    name: str
    text: str
    kind: Literal["gauge", "counter"] = "gauge"


DELIVERED = Figure("dataset_delivered_timestamp_seconds", "When a dataset was last delivered, or found unchanged.")
FRESH_UNTIL = Figure(
    "dataset_fresh_until_timestamp_seconds", "Until when a dataset is as fresh as it promises; none where it promises nothing."
)
FAILED = Figure("dataset_failed_timestamp_seconds", "When a run last failed to make a dataset.")
FAILURES = Figure("dataset_failures_total", "Runs that failed to make a dataset, or to deliver it to a port.", "counter")
ROWS = Figure("dataset_rows", "Rows of the newest version of every partition.")
PARTITIONS = Figure("dataset_partitions", "Partitions that have a version.")
REFUSED = Figure("dataset_refused_rows", "Rows that the contract refused when the newest versions were made; they wait in quarantine.")
FAILING = Figure("dataset_failing_checks", "Checks whose newest result is not a pass.")
LAG = Figure("dataset_lag_messages", "Messages that the topic had beyond those the newest partition took, when it was made.")
WAITING = Figure("port_waiting_versions", "Versions still to be delivered to a port, at the last reconciliation.")
DIFFERENCES = Figure("port_differences", "Differences between a port and its dataset, at the last reconciliation.")
LEFT_OUT = Figure("datasets_left_out", f"Datasets beyond {MOST:,}, of which there are no figures here.")


class DatasetMetrics:
    """The figures of one catalog's datasets. `seconds` is a clock; tests give another."""

    def __init__(self, catalog: Catalog, seconds: Callable[[], float] = time.monotonic) -> None:
        self.catalog, self.seconds = catalog, seconds
        self._lock = threading.Lock()
        self._made = -KEPT_SECONDS
        self._text = b""

    def text(self) -> bytes:
        """All figures in Prometheus' text form; nothing where the database does not answer, of which `catalog_up` tells."""
        with self._lock:  # of many who ask at once, one makes them
            if self.seconds() - self._made >= KEPT_SECONDS:
                try:
                    with self.catalog.database.reading() as connection:
                        self._text = "".join(_lines(connection, self.catalog)).encode()
                except DataProductsError:
                    return b""
                self._made = self.seconds()
            return self._text


def _lines(connection: sa.Connection, catalog: Catalog) -> Iterator[str]:
    s = t.dataset_state
    moments = [sa.type_coerce(column, sa.BigInteger) for column in (s.c.delivered_at, s.c.fresh_until, s.c.failed_at)]
    counts = (s.c.rows, s.c.partitions, s.c.refused, s.c.checks_failed)
    found = connection.execute(sa.select(s.c.dataset, *moments, *counts).order_by(s.c.dataset).limit(MOST)).all()
    labels = [_labels(row[0]) for row in found]
    for at, figure in enumerate((DELIVERED, FRESH_UNTIL, FAILED), 1):
        yield from _family(figure, [(label, row[at] / 1e6) for label, row in zip(labels, found, strict=True) if row[at] is not None])
    for at, figure in enumerate((ROWS, PARTITIONS, REFUSED, FAILING), 4):
        yield from _family(figure, [(label, row[at]) for label, row in zip(labels, found, strict=True)])
    known = {row[0]: label for row, label in zip(found, labels, strict=True)}
    f = t.failure
    counted = sa.select(f.c.dataset, sa.func.count()).group_by(f.c.dataset)
    failures: dict[str, int] = dict(connection.execute(counted).tuples().all())
    yield from _family(FAILURES, [(label, failures.get(name, 0)) for name, label in known.items()])
    yield from _family(LAG, [(known[name], lag) for name, lag in _lags(connection) if name in known])
    ports = [port for proof in reading.proofs(connection) for port in proof.get("ports", ()) if port["dataset"] in known][:MOST]
    of_ports = [_labels(port["dataset"], port["port"]) for port in ports]
    yield from _family(WAITING, [(label, port["waiting"]) for label, port in zip(of_ports, ports, strict=True)])
    yield from _family(DIFFERENCES, [(label, port["differences"]) for label, port in zip(of_ports, ports, strict=True)])
    many = connection.execute(sa.select(sa.func.count()).select_from(s)).scalar() or 0
    yield from _family(LEFT_OUT, [("", max(0, many - MOST))])


def _lags(connection: sa.Connection) -> Iterator[tuple[str, int]]:
    """Of datasets that a topic feeds, as the newest version of the newest partition tells."""
    s, p, v = t.dataset_state, t.partition_state, t.version
    newest = s.join(p, sa.and_(p.c.dataset == s.c.dataset, p.c.partition == s.c.newest_partition))
    whole = newest.join(
        v, sa.and_(v.c.dataset == p.c.dataset, v.c.partition == p.c.partition, v.c.number == p.c.number, v.c.hash == p.c.hash)
    )
    facts = sa.type_coerce(v.c.facts, sa.Text)
    for name, text in connection.execute(sa.select(s.c.dataset, facts).select_from(whole).where(facts.like('%"lag":%'))):
        lag: Any = json.loads(text).get("lag")
        if str(lag).isdecimal():
            yield name, int(lag)


def _labels(name: str, port: str | None = None) -> str:
    product, dataset = name.split("/")
    more = f',port="{_escaped(port)}"' if port is not None else ""
    return f'{{product="{product}",dataset="{dataset}"{more}}}'


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _family(figure: Figure, values: Sequence[tuple[str, float]]) -> Iterator[str]:
    name = f"dataproducts_{figure.name}"
    yield f"# HELP {name} {figure.text}\n# TYPE {name} {figure.kind}\n"
    for label, value in values:
        yield f"{name}{label} {value}\n"
