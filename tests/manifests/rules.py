"""What nais takes of a Naisjob and a Topic: fields, patterns and enumerations of its own definitions."""

from __future__ import annotations

from typing import Any

import jsonschema

NAME = {"type": "string", "pattern": r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 63}
METADATA = {
    "type": "object",
    "required": ["name", "namespace", "labels"],
    "properties": {
        "name": NAME,
        "namespace": NAME,
        "labels": {"type": "object", "required": ["team"], "additionalProperties": {"type": "string", "maxLength": 63}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
    "additionalProperties": False,
}
QUANTITIES = {
    "type": "object",
    "properties": {"cpu": {"type": "string", "pattern": r"^\d+m?$"}, "memory": {"type": "string", "pattern": r"^\d+[KMG]i$"}},
    "additionalProperties": False,
}
FILE = {
    "type": "object",
    "properties": {
        "configmap": NAME,
        "secret": NAME,
        "persistentVolumeClaim": NAME,
        "emptyDir": {"type": "object", "properties": {"medium": {"enum": ["Memory", "Disk"]}}, "additionalProperties": False},
        "mountPath": {"type": "string", "pattern": "^/"},
    },
    "additionalProperties": False,
    "if": {"required": ["emptyDir"]},
    "then": {"required": ["mountPath"]},
}
EXTERNAL = {
    "type": "object",
    "properties": {
        "host": {"type": "string", "pattern": r"^[a-z0-9-]+(\.[a-z0-9-]+)+$"},
        "ipv4": {"type": "string"},
        "ports": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"port": {"type": "integer", "minimum": 1, "maximum": 65535}},
                "required": ["port"],
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
    "oneOf": [{"required": ["host"]}, {"required": ["ipv4"]}],
}
NAISJOB = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "nais.io/v1"},
        "kind": {"const": "Naisjob"},
        "metadata": METADATA,
        "spec": {
            "type": "object",
            "required": ["image"],
            "additionalProperties": False,
            "properties": {
                "image": {"type": "string", "minLength": 1},
                "command": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                "schedule": {"type": "string"},
                "timeZone": {"type": "string"},
                "concurrencyPolicy": {"enum": ["Forbid", "Replace", "Allow"]},
                "restartPolicy": {"enum": ["OnFailure", "Never"]},
                "backoffLimit": {"type": "integer", "minimum": 0},
                "activeDeadlineSeconds": {"type": "integer", "minimum": 1},
                "resources": {
                    "type": "object",
                    "properties": {"requests": QUANTITIES, "limits": QUANTITIES},
                    "additionalProperties": False,
                },
                "env": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name", "value"],
                        "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
                        "additionalProperties": False,
                    },
                },
                "envFrom": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"secret": NAME, "configmap": NAME},
                        "additionalProperties": False,
                        "minProperties": 1,
                        "maxProperties": 1,
                    },
                },
                "filesFrom": {"type": "array", "items": FILE},
                "accessPolicy": {
                    "type": "object",
                    "properties": {
                        "outbound": {
                            "type": "object",
                            "properties": {"external": {"type": "array", "items": EXTERNAL}},
                            "additionalProperties": False,
                        }
                    },
                    "additionalProperties": False,
                },
                "gcp": {
                    "type": "object",
                    "properties": {
                        "bigQueryDatasets": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["name", "permission"],
                                "properties": {
                                    "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_]+$"},
                                    "permission": {"enum": ["READ", "READWRITE"]},
                                    "description": {"type": "string"},
                                    "cascadingDelete": {"type": "boolean"},
                                },
                                "additionalProperties": False,
                            },
                        }
                    },
                    "additionalProperties": False,
                },
                "kafka": {
                    "type": "object",
                    "required": ["pool"],
                    "properties": {"pool": {"type": "string"}},
                    "additionalProperties": False,
                },
            },
            "dependentRequired": {"timeZone": ["schedule"]},
        },
    },
}
TOPIC = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "kafka.nais.io/v1"},
        "kind": {"const": "Topic"},
        "metadata": METADATA,
        "spec": {
            "type": "object",
            "required": ["pool", "acl"],
            "additionalProperties": False,
            "properties": {
                "pool": {"type": "string", "minLength": 1},
                "config": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "cleanupPolicy": {"enum": ["delete", "compact", "compact,delete"]},
                        "partitions": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
                        "replication": {"type": "integer", "minimum": 2},
                        "minimumInSyncReplicas": {"type": "integer", "minimum": 1, "maximum": 7},
                        "retentionHours": {"type": "integer", "minimum": -1},
                        "deleteRetentionHours": {"type": "integer", "minimum": 0},
                        "maxMessageBytes": {"type": "integer", "minimum": 1, "maximum": 5_242_880},
                    },
                },
                "acl": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["team", "application", "access"],
                        "properties": {
                            "team": {"type": "string"},
                            "application": {"type": "string"},
                            "access": {"enum": ["read", "write", "readwrite"]},
                        },
                        "additionalProperties": False,
                    },
                },
            },
        },
    },
}
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
