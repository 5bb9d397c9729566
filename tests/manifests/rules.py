"""What nais takes of a Naisjob and a Topic: fields, patterns and enumerations of its own definitions."""

from __future__ import annotations

from typing import Any

import jsonschema


def closed(*required: str, **properties: Any) -> dict[str, Any]:
    """An object with these fields and no others."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def several(items: dict[str, Any], least: int = 0) -> dict[str, Any]:
    """A list of such."""
    return {"type": "array", "items": items, "minItems": least}


def whole(low: int, high: int | None = None) -> dict[str, Any]:
    """A whole number within bounds."""
    return {"type": "integer", "minimum": low, **({"maximum": high} if high is not None else {})}


TEXT = {"type": "string", "minLength": 1}
NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 63}
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
LABELS = {"type": "object", "required": ["team"], "additionalProperties": {"type": "string", "maxLength": 63}}
METADATA = closed("name", "namespace", "labels", name=NAME, namespace=NAME, labels=LABELS, annotations=TEXTS)
QUANTITIES = closed(cpu={"type": "string", "pattern": r"^\d+m?$"}, memory={"type": "string", "pattern": r"^\d+[KMG]i$"})
FILE = {
    **closed(
        configmap=NAME,
        secret=NAME,
        persistentVolumeClaim=NAME,
        emptyDir=closed(medium={"enum": ["Memory", "Disk"]}),
        mountPath={"type": "string", "pattern": "^/"},
    ),
    "if": {"required": ["emptyDir"]},
    "then": {"required": ["mountPath"]},
}
EXTERNAL = {
    **closed(
        host={"type": "string", "pattern": r"^[a-z0-9-]+(\.[a-z0-9-]+)+$"},
        ipv4={"type": "string"},
        ports=several(closed("port", port=whole(1, 65_535))),
    ),
    "oneOf": [{"required": ["host"]}, {"required": ["ipv4"]}],
}
DATASET = closed(
    "name",
    "permission",
    name={"type": "string", "pattern": "^[a-z0-9][a-z0-9_]+$"},
    permission={"enum": ["READ", "READWRITE"]},
    description={"type": "string"},
    cascadingDelete={"type": "boolean"},
)
NAISJOB = closed(
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    apiVersion={"const": "nais.io/v1"},
    kind={"const": "Naisjob"},
    metadata=METADATA,
    spec={
        **closed(
            "image",
            image=TEXT,
            command=several({"type": "string"}, least=1),
            schedule={"type": "string"},
            timeZone={"type": "string"},
            concurrencyPolicy={"enum": ["Forbid", "Replace", "Allow"]},
            restartPolicy={"enum": ["OnFailure", "Never"]},
            backoffLimit=whole(0),
            activeDeadlineSeconds=whole(1),
            resources=closed(requests=QUANTITIES, limits=QUANTITIES),
            env=several(closed("name", "value", name={"type": "string"}, value={"type": "string"})),
            envFrom=several({**closed(secret=NAME, configmap=NAME), "minProperties": 1, "maxProperties": 1}),
            filesFrom=several(FILE),
            accessPolicy=closed(outbound=closed(external=several(EXTERNAL))),
            gcp=closed(bigQueryDatasets=several(DATASET)),
            kafka=closed("pool", pool={"type": "string"}),
        ),
        "dependentRequired": {"timeZone": ["schedule"]},
    },
)
TOPIC = closed(
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    apiVersion={"const": "kafka.nais.io/v1"},
    kind={"const": "Topic"},
    metadata=METADATA,
    spec=closed(
        "pool",
        "acl",
        pool=TEXT,
        config=closed(
            cleanupPolicy={"enum": ["delete", "compact", "compact,delete"]},
            partitions=whole(1, 1_000_000),
            replication=whole(2),
            minimumInSyncReplicas=whole(1, 7),
            retentionHours=whole(-1),
            deleteRetentionHours=whole(0),
            maxMessageBytes=whole(1, 5_242_880),
        ),
        acl=several(
            closed(
                "team",
                "application",
                "access",
                team={"type": "string"},
                application={"type": "string"},
                access={"enum": ["read", "write", "readwrite"]},
            ),
            least=1,
        ),
    ),
)
ANNOTATIONS = {
    "title", "description", "theme", "keyword", "temporal", "language", "creator", "publisher", "accessRights", "license", "rights",
    "catalog",
}  # fmt: skip


def check(manifest: dict[str, Any]) -> None:
    """Raise where nais would refuse it."""
    rules = {"Naisjob": NAISJOB, "Topic": TOPIC}[manifest["kind"]]
    jsonschema.Draft202012Validator(rules).validate(manifest)
    if manifest["kind"] == "Topic":
        annotations = manifest["metadata"]["annotations"]
        keys = {key.removeprefix("dcat.data.nav.no/") for key in annotations}
        assert keys <= ANNOTATIONS
        assert {"title", "description"} <= keys
