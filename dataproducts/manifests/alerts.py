"""Prometheus rules of a product: over its jobs, as the cluster tells of them, and over its datasets, as the catalog does at /metrics.

They agree with what the sensor `send_alerts` tells, and name the same sections of the runbook; a product needs one of the two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from dataproducts import settings
from dataproducts.alerts.words import SECTIONS
from dataproducts.catalog.web.dataset_metrics import DELIVERED, FAILED, FAILING, FRESH_UNTIL, Figure
from dataproducts.cron import in_words, patience
from dataproducts.product_facts import Trouble

if TYPE_CHECKING:
    from dataproducts.manifests.jobs import Job
    from dataproducts.product_facts import ProductFacts

_UNPROVEN = timedelta(hours=3)
"""Reconciliation is done on the hour."""


def rules(facts: ProductFacts, jobs: Sequence[Job], *, namespace: str, label: str) -> dict[str, Any]:
    """A PrometheusRule; over kube-state-metrics for jobs, since "failed" is silent of one that does not start. `label`: of a job's pods.

    Where nobody scrapes the catalog, the rules over datasets have nothing to fire on.
    """
    of_jobs = [rule for job in jobs for rule in _of_job(facts, job, namespace, label)]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": facts.name.replace("_", "-"),
            "namespace": namespace,
            "labels": {"team": namespace, "dataproduct": facts.name},
        },
        "spec": {"groups": [{"name": facts.name, "rules": [*of_jobs, *_of_datasets(facts)]}]},
    }


def _of_job(facts: ProductFacts, job: Job, namespace: str, label: str) -> list[dict[str, Any]]:
    longest = patience(job.cron, facts.runtime.deadline_minutes)
    seconds = int(longest.total_seconds())
    chosen = f'{{namespace="{namespace}", job_name=~"{job.name}-[0-9]+"}}'
    failed = f'{{namespace="{namespace}", job_name=~"{job.name}-[0-9]+", condition="true"}}'
    done = f"kube_job_status_completion_time{chosen}"
    action = f"Read what its pods say: kubectl logs -n {namespace} -l {label}={job.name} --tail=100"
    summaries = f"{job.name} has failed.", f"{job.name} has not been done for more than {in_words(longest)}."
    of = partial(_rule, labels=_labels(facts), consequence=_consequence(facts), action=action)
    return [
        of("DataProductJobFailed", f"kube_job_failed{failed} > 0", "2m", "warning", summaries[0], Trouble.RUN_FAILED),
        of("DataProductJobLate", f"time() - max({done}) > {seconds}", "1m", "critical", summaries[1], Trouble.SILENT),
        # with no finished job left there is nothing to be too old
        of("DataProductJobNeverDone", f"absent({done})", f"{seconds}s", "critical", f"{job.name} has never been done.", Trouble.SILENT),
    ]


def _of_datasets(facts: ProductFacts) -> list[dict[str, Any]]:
    chosen = f'{{product="{facts.name}"}}'
    name = "{{ $labels.product }}/{{ $labels.dataset }}"
    of = partial(_rule, labels=_labels(facts), consequence=_consequence(facts), action=f"dataproducts versions {name}")
    failed = f"{_metric(FAILED)}{chosen} > ({_metric(DELIVERED)}{chosen} or {_metric(FAILED)}{chosen} * 0)"
    return [
        of("DataProductStale", f"time() > {_metric(FRESH_UNTIL)}{chosen}", "5m", "warning", f"{name} is stale.", Trouble.STALE),
        of("DataProductFailing", failed, "5m", "warning", f"{name} was not made.", Trouble.RUN_FAILED),
        of(
            "DataProductCheckFailing",
            f"{_metric(FAILING)}{chosen} > 0",
            "5m",
            "warning",
            f"{name} has failing checks.",
            Trouble.CHECK_FAILED,
        ),
    ]


def location_rules(location: str) -> dict[str, Any]:
    """A group of rules over what the catalog knows of a whole code location, as Prometheus' own rule files have it."""
    chosen = f'{{location="{location}"}}'
    late, seconds = "catalog_last_reconciliation_timestamp_seconds", int(_UNPROVEN.total_seconds())
    consequence = "What readers find in the catalog, or at a port, may not be the newest; what the lake holds is whole."
    of = partial(_rule, labels={}, consequence=consequence, action="dataproducts reconcile")
    return {
        "name": location,
        "rules": [
            of("CatalogDeadLetters", f"catalog_dead_letters{chosen} > 0", "5m", "warning", "Messages were given up.", Trouble.DEAD_LETTERS),
            of(
                "CatalogBehind", f"catalog_behind{chosen} + catalog_missing{chosen} > 0", "15m", "warning",
                "The catalog lacks what was stored.", Trouble.RECONCILIATION,
            ),
            of(
                "CatalogNotReconciled", f"time() - {late}{chosen} > {seconds}", "5m", "critical",
                f"Nothing has been compared for more than {in_words(_UNPROVEN)}.", Trouble.RECONCILIATION,
            ),
        ],
    }  # fmt: skip


def _metric(figure: Figure) -> str:
    return f"dataproducts_{figure.name}"


def _labels(facts: ProductFacts) -> dict[str, str]:
    return {"team": facts.team, "dataproduct": facts.name}


def _consequence(facts: ProductFacts) -> str:
    return f"“{facts.title.best('en')}” is not up to date; what it has stored is whole."


def _rule(
    alert: str,
    expression: str,
    lasting: str,
    severity: str,
    summary: str,
    trouble: Trouble,
    *,
    labels: Mapping[str, str],
    consequence: str,
    action: str,
) -> dict[str, Any]:
    return {
        "alert": alert,
        "expr": expression,
        "for": lasting,
        "labels": {"severity": severity, **labels},
        "annotations": {
            "summary": summary,
            "consequence": consequence,
            "action": action,
            "runbook_url": f"{settings.runbook()}#{SECTIONS[trouble]}",
        },
    }
