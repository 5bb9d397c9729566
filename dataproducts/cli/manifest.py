"""`dataproducts manifest`: what a cluster has to be told of a product, from its declarations; written, never applied."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dataproducts.cli import tables
from dataproducts.cli.group import Commands
from dataproducts.errors import ConfigurationError

if TYPE_CHECKING:
    from dataproducts.manifests.jobs import Job, Needs
    from dataproducts.product import DataProduct


@click.group(cls=Commands)
def manifest() -> None:
    """What nais or Kubernetes has to be told of a product.

    They follow from the code and from `runtime` in product.yaml, and go to standard output for `kubectl apply -f -` or a repository.
    """


_IMAGE = click.option("--image", required=True, help="The image of this code location.")
_NAMESPACE = click.option("--namespace", help="Namespace, by default the product's team.")
_POOL = click.option("--pool", help="Kafka pool, such as nav-dev or nav-prod.")
_OUTPUT = click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of standard output.")


@manifest.command()
@click.argument("name", metavar="PRODUCT")
@_IMAGE
@_NAMESPACE
@_POOL
@_OUTPUT
def naisjob(name: str, image: str, namespace: str | None, pool: str | None, output: Path | None) -> None:
    """A Naisjob for each schedule, with its alerts."""
    from dataproducts.manifests import alerts
    from dataproducts.manifests.naisjob import LABEL, naisjobs

    product, jobs, needs, where = _gathered(name, namespace)
    found = naisjobs(product.facts, jobs, needs, image=image, namespace=where, pool=pool)
    _write(name, [*found, alerts.rules(product.facts, jobs, namespace=where, label=LABEL)], output)
    for topic in needs.read:
        tables.note(f"{name} reads {topic}: whoever owns it adds {', '.join(job.name for job in jobs)} of {where} to its access list")


@manifest.command()
@click.argument("name", metavar="PRODUCT")
@_NAMESPACE
@_POOL
@_OUTPUT
def topic(name: str, namespace: str | None, pool: str | None, output: Path | None) -> None:
    """A Topic for each topic the product publishes to, with access list and catalog annotations."""
    from dataproducts.manifests.topic import topics

    product, jobs, needs, where = _gathered(name, namespace)
    _write(name, topics(product.facts, needs, jobs, namespace=where, pool=pool), output)


@manifest.command()
@click.argument("name", metavar="PRODUCT")
@_IMAGE
@_NAMESPACE
@_OUTPUT
def kubernetes(name: str, image: str, namespace: str | None, output: Path | None) -> None:
    """A CronJob for each schedule, a NetworkPolicy and alerts, for a cluster without nais."""
    from dataproducts.manifests import alerts
    from dataproducts.manifests.kubernetes import LABEL, cron_jobs

    product, jobs, needs, where = _gathered(name, namespace)
    found = cron_jobs(product.facts, jobs, needs, image=image, namespace=where)
    _write(name, [*found, alerts.rules(product.facts, jobs, namespace=where, label=LABEL)], output)


def _gathered(name: str, namespace: str | None) -> tuple[DataProduct, list[Job], Needs, str]:
    from dataproducts.cli import location
    from dataproducts.cli.schedules import schedules_of
    from dataproducts.manifests.jobs import jobs, needs

    product = location.product(name)
    where = namespace or product.facts.team
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", where):
        given = "--namespace" if namespace else f"the team of {name}"
        raise ConfigurationError(f"{given} is {where!r}, which is no namespace of Kubernetes; give one with --namespace")
    return product, jobs(product, list(schedules_of(product).values())), needs(product), where


def _write(name: str, manifests: list[Any], output: Path | None) -> None:
    from dataproducts.files import replacing
    from dataproducts.manifests.text import stream

    text = f"# Written by `dataproducts manifest`: change product.yaml or the code of {name}, then write it anew.\n"
    text += stream(manifests)
    if output is None:
        click.echo(text, nl=False)
    else:
        with replacing(output) as draft:
            draft.write_text(text, encoding="utf-8")
        tables.note(f"{output}: {tables.count(len(manifests), 'manifest')} of {name}")
