"""What is measured (Prometheus) and what is logged: one line of JSON a request, without what was searched for and without tokens."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dataproducts import logs

if TYPE_CHECKING:
    from dataproducts.catalog.web.catalog import Catalog

LOG = logging.getLogger("dataproducts.catalog")
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)


class Metrics:
    """Figures of one application. Durations by route, method and status; the state of deliveries is read when it is asked for."""

    def __init__(self, catalog: Catalog) -> None:
        from prometheus_client import CollectorRegistry, Histogram

        from dataproducts.catalog.web.dataset_metrics import DatasetMetrics

        self.registry = CollectorRegistry()
        self._seconds = Histogram(
            "catalog_request_seconds",
            "Time to answer, by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.registry.register(_Deliveries(catalog))
        self._datasets = DatasetMetrics(catalog)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._seconds.labels(route, method, str(status)).observe(seconds)

    def text(self) -> bytes:
        """All figures in Prometheus' text form."""
        from prometheus_client import generate_latest

        return bytes(generate_latest(self.registry)) + self._datasets.text()


class _Deliveries:
    """Figures that the database has. Where it does not answer there are none, and `catalog_up` says so."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def describe(self) -> list[Any]:
        """Nothing is read before the figures are asked for."""
        return []

    def collect(self) -> Iterator[Any]:
        """Read the figures."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        from dataproducts.catalog import reading
        from dataproducts.errors import DataProductsError

        up = GaugeMetricFamily("catalog_up", "1 where the database answers.")
        try:
            with self.catalog.database.reading() as connection:
                status = reading.status(connection, self.catalog.now)
                standing = reading.front(connection, self.catalog.now)
        except DataProductsError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        by_location = {
            "lag_seconds": "Age of the oldest event of a code location that the catalog did not have at the last reconciliation.",
            "behind": "Partitions whose newest version the catalog did not have at the last reconciliation.",
            "missing": "Datasets that the catalog did not know at the last reconciliation.",
            "dead": "Messages of a code location that were given up.",
        }
        for name, text in by_location.items():
            family = GaugeMetricFamily(f"catalog_{'dead_letters' if name == 'dead' else name}", text, labels=["location"])
            for proof in status.proofs:
                if proof.get(name) is not None:
                    family.add_metric([proof["location"]], float(proof[name]))
            yield family
        last = GaugeMetricFamily("catalog_last_reconciliation_timestamp_seconds", "When it last compared.", labels=["location"])
        for proof in status.proofs:
            last.add_metric([proof["location"]], datetime.fromisoformat(proof["at"]).timestamp())
        yield last
        for family_name, text, counts in (
            ("catalog_datasets_by_freshness", "Datasets by freshness.", standing.freshness),
            ("catalog_datasets_by_quality", "Datasets by quality.", standing.quality),
            ("catalog_objects", "Products, datasets and entries.", standing.counts),
        ):
            family = GaugeMetricFamily(family_name, text, labels=["value"])
            for value, many in sorted(counts.items()):
                family.add_metric([value], many)
            yield family
        yield GaugeMetricFamily("catalog_datasets_late", "Datasets later than promised.", value=standing.freshness.get("late", 0))
        yield CounterMetricFamily("catalog_messages", "Messages taken in.", value=status.counts["messages"])
        yield CounterMetricFamily("catalog_changes", "Lines of the change feed.", value=status.counts["changes"])


def log_to_standard_output() -> None:
    """Write the log of the catalog and of its server as lines of JSON."""
    handler = logging.StreamHandler(sys.stdout)
    for name, level in (("dataproducts.catalog", logging.INFO), ("uvicorn", logging.WARNING)):
        logs.to(logging.getLogger(name), handler, level)
