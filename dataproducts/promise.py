"""The promise of a dataset: its contract as an ODCS document, frozen beside the product and held against the code."""

from __future__ import annotations

from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataproducts.compatibility import Verdict, verdict
from dataproducts.errors import ContractChanged, DeclarationError
from dataproducts.files import replacing
from dataproducts.formats.odcs import Terms, dump, load, odcs

if TYPE_CHECKING:
    import dagster as dg

    from dataproducts.dataset import Dataset


def document(dataset: Dataset) -> dict[str, Any]:
    """The ODCS document of a dataset as it is declared now."""
    d = dataset.declaration
    terms = Terms(
        title=d.title,
        description=d.description,
        kind=d.contract.kind,
        materialized="table" if d.view is None else "view",
        partitioning=partitioning(d.partitions),
        freshness=duration(d.freshness) if d.freshness else None,
        quarantine=d.limits.refused_share is not None,
        personal_data=d.personal,
        access=d.access,
        personal_reason=d.personal_reason,
        k_anonymity={"k": d.limits.anonymity.k, "columns": list(d.limits.anonymity.columns)} if d.limits.anonymity else None,
    )
    return odcs(d.contract, d.facts, terms)


def frozen_path(dataset: Dataset) -> Path:
    """Where the promise is committed: `assets/<product>/contracts/<dataset>.odcs.yaml`."""
    product = dataset.declaration.facts.name
    spec = find_spec(f"assets.{product}")
    if spec is None or spec.origin is None:
        raise DeclarationError(
            f"{dataset.contract.dataset}: there is no assets/{product}/__init__.py, beside which contracts are kept; add it"
        )
    return Path(spec.origin).parent / "contracts" / f"{dataset.declaration.name}.odcs.yaml"


def check(dataset: Dataset) -> Verdict:
    """Hold a dataset against its frozen promise. Raises DeclarationError where there is none, or it cannot be read."""
    return verdict(load(frozen_path(dataset)), document(dataset))


def freeze(dataset: Dataset) -> Verdict | None:
    """Write the promise, and give what changed in it; None the first time.

    Raises ContractChanged, and writes nothing, where the version does not admit the changes.
    """
    path = frozen_path(dataset)
    judged = check(dataset) if path.exists() else None
    if judged is not None and not judged.ok:
        raise ContractChanged(judged.message)
    text = dump(document(dataset))
    if judged is None or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as draft:
            draft.write_text(text, encoding="utf-8")
    return judged


def partitioning(partitions: dg.PartitionsDefinition[Any] | None) -> str | None:
    """How a dataset is cut, in words: "daily, Europe/Oslo"; None where it is not."""
    import dagster as dg

    if partitions is None:
        return None
    if isinstance(partitions, dg.TimeWindowPartitionsDefinition):
        rhythm = str(partitions.schedule_type.value).lower() if partitions.schedule_type else f"cron {partitions.cron_schedule}"
        return f"{rhythm}, {partitions.timezone}"
    if isinstance(partitions, dg.MultiPartitionsDefinition):
        return " x ".join(f"{p.name} ({partitioning(p.partitions_def)})" for p in partitions.partitions_defs)
    return "a fixed list" if isinstance(partitions, dg.StaticPartitionsDefinition) else "a growing list"


def duration(length: timedelta) -> str:
    """A length of time in ISO 8601: "PT36H", "P7D"."""
    seconds = int(length.total_seconds())
    if seconds % 86_400 == 0:
        return f"P{seconds // 86_400}D"
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if number]
    return "PT" + "".join(parts)
