"""nais's Topic manifests of what a product publishes: settings, who may write and read, and what NAV's catalog harvests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from dataproducts.errors import ConfigurationError, DeclarationError
from dataproducts.port_asset import offered
from dataproducts.product_facts import AccessLevel, ProductFacts

if TYPE_CHECKING:
    from dataproducts.manifests.jobs import Job, Needs
    from dataproducts.port_asset import PortAsset
    from dataproducts.ports.kafka.topic import Topic

ANNOTATION = "dcat.data.nav.no/"
_TEAM = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"


def topics(facts: ProductFacts, needs: Needs, jobs: Sequence[Job], *, namespace: str, pool: str | None) -> list[Any]:
    """A Topic for each topic the product writes, with `jobs` and whoever may read the dataset in its access list."""
    if not needs.written:
        raise DeclarationError(f"{facts.name} publishes to no topic; give a dataset ports=[Topic(...)]")
    if not pool:
        raise ConfigurationError("a topic is in a Kafka pool; give one, such as --pool nav-dev")
    return [_topic(facts, port, jobs, namespace, pool) for port in needs.written]


def _topic(facts: ProductFacts, asset: PortAsset, jobs: Sequence[Job], namespace: str, pool: str) -> dict[str, Any]:
    port: Topic = asset.port  # type: ignore[assignment]
    of, _, name = port.topic.partition(".")
    if of != namespace or not name:
        raise DeclarationError(
            f"{facts.name}: topic {port.topic} is not of the namespace {namespace}, so its manifest is not ours to write; "
            f"name it {namespace}.{name or of}, or give --namespace {of}"
        )
    if not re.fullmatch(_TEAM, name):
        raise DeclarationError(f"{facts.name}: nais makes no topic named {name!r}; use lower-case letters, digits and '-'")
    if port.replication == 1:
        raise DeclarationError(f"{facts.name}: topic {port.topic} is declared with replication=1, and nais's pools keep 2 or more")
    config = {
        "cleanupPolicy": port.cleanup_policy,
        "partitions": port.partitions,
        "replication": port.replication,
        "minimumInSyncReplicas": port.minimum_in_sync_replicas,
        "retentionHours": port.retention_hours,
        "deleteRetentionHours": port.delete_retention_hours,
        "maxMessageBytes": port.max_message_bytes,
    }
    level, readers = _readers(facts, asset)
    writers = [{"team": namespace, "application": job.name, "access": "readwrite"} for job in jobs]  # they read back what is there
    return {
        "apiVersion": "kafka.nais.io/v1",
        "kind": "Topic",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"team": namespace, "dataproduct": facts.name},
            "annotations": _annotations(facts, asset, level),
        },
        "spec": {
            "pool": pool,
            "config": {setting: value for setting, value in config.items() if value is not None},
            "acl": [*writers, *({"team": team, "application": "*", "access": "read"} for team in readers)],
        },
    }


def _readers(facts: ProductFacts, asset: PortAsset) -> tuple[AccessLevel, list[str]]:
    """How wide the dataset is open, and which teams may read it: all, or those that product.yaml names and nais could know."""
    level = AccessLevel(offered(asset.declaration).access)
    if level is not AccessLevel.RESTRICTED:
        return level, ["*"]
    return level, [group for group in dict.fromkeys((facts.team, *facts.access.can_read)) if re.fullmatch(_TEAM, group)]


def _annotations(facts: ProductFacts, asset: PortAsset, level: AccessLevel) -> dict[str, str]:
    about, period = offered(asset.declaration), facts.temporal
    given = {
        "title": about.title,
        "description": " ".join(about.description.split()),
        "theme": ",".join(facts.themes),
        "keyword": ",".join(facts.keywords),
        "temporal": f"{period.from_}/{period.to or date(9999, 12, 31)}" if period is not None else "",
        "language": ",".join(facts.language),
        "creator": facts.creator.name if facts.creator is not None else facts.team,
        "publisher": facts.publisher.name,
        "accessRights": str(level),
        "license": facts.license.uri,
        "rights": " ".join((facts.rights or "").split()),
        "catalog": "public" if level is AccessLevel.OPEN else "internal",
    }
    return {ANNOTATION + name: value for name, value in given.items() if value}
