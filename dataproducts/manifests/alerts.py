"""Prometheus rules for the jobs of a product: one that fails, one that has not been done for too long, one that was never done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dataproducts.cron import in_words, patience

if TYPE_CHECKING:
    from dataproducts.manifests.jobs import Job
    from dataproducts.product_facts import ProductFacts


def rules(facts: ProductFacts, jobs: Sequence[Job], *, namespace: str, label: str) -> dict[str, Any]:
    """A PrometheusRule over kube-state-metrics, since "failed" is silent of a job that does not start. `label` is that of a job's pods."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": facts.name.replace("_", "-"),
            "namespace": namespace,
            "labels": {"team": namespace, "dataproduct": facts.name},
        },
        "spec": {"groups": [{"name": facts.name, "rules": [rule for job in jobs for rule in _of_job(facts, job, namespace, label)]}]},
    }


def _of_job(facts: ProductFacts, job: Job, namespace: str, label: str) -> list[dict[str, Any]]:
    longest = patience(job.cron, facts.runtime.deadline_minutes)
    seconds = int(longest.total_seconds())
    chosen = f'{{namespace="{namespace}", job_name=~"{job.name}-[0-9]+"}}'
    failed = f'{{namespace="{namespace}", job_name=~"{job.name}-[0-9]+", condition="true"}}'
    done = f"kube_job_status_completion_time{chosen}"
    action = f"Read what its pods say: kubectl logs -n {namespace} -l {label}={job.name} --tail=100"
    return [
        _rule("DataProductJobFailed", f"kube_job_failed{failed} > 0", "2m", "warning", f"{job.name} has failed.", facts, action),
        _rule(
            "DataProductJobLate", f"time() - max({done}) > {seconds}", "1m", "critical",
            f"{job.name} has not been done for more than {in_words(longest)}.", facts, action,
        ),
        # with no finished job left there is nothing to be too old
        _rule("DataProductJobNeverDone", f"absent({done})", f"{seconds}s", "critical", f"{job.name} has never been done.", facts, action),
    ]  # fmt: skip


def _rule(alert: str, expression: str, patience: str, severity: str, summary: str, facts: ProductFacts, action: str) -> dict[str, Any]:
    return {
        "alert": alert,
        "expr": expression,
        "for": patience,
        "labels": {"severity": severity, "team": facts.team, "dataproduct": facts.name},
        "annotations": {
            "summary": summary,
            "consequence": f"“{facts.title.best('en')}” is not up to date; what it has stored is whole.",
            "action": action,
        },
    }
