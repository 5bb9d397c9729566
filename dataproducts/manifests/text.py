"""Manifests as YAML that a person reads as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml


def stream(manifests: Sequence[Any]) -> str:
    """Documents one after the other, each written out in full."""
    return yaml.dump_all(manifests, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120, explicit_start=True)


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """What stands in two places is written twice: a reference saves lines and costs the reader."""
        return True
