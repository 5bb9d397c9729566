"""Data products with a contract and a complete history, as Dagster assets.

The public names. Each is loaded when first used, so that `import dataproducts` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataproducts.contract import KEPT as KEPT
    from dataproducts.contract import REST as REST
    from dataproducts.contract import Contract as Contract
    from dataproducts.contract import column as column
    from dataproducts.dataset import Dataset as Dataset
    from dataproducts.dataset import Source as Source
    from dataproducts.erasure.feed import erasure_feed as erasure_feed
    from dataproducts.errors import DataProductsError as DataProductsError
    from dataproducts.history.lake import Version as Version
    from dataproducts.history.lake import changes as changes
    from dataproducts.history.lake import read as read
    from dataproducts.history.lake import scan as scan
    from dataproducts.history.lake import versions as versions
    from dataproducts.inputs import previous as previous
    from dataproducts.inputs import until as until
    from dataproducts.materialization import UNCHANGED as UNCHANGED
    from dataproducts.materialization import Result as Result
    from dataproducts.ports.bigquery import BigQuery as BigQuery
    from dataproducts.ports.inputs.database import Database as Database
    from dataproducts.ports.inputs.dlt_source import Dlt as Dlt
    from dataproducts.ports.inputs.files import Files as Files
    from dataproducts.ports.inputs.rows import Rows as Rows
    from dataproducts.ports.kafka.reading import Messages as Messages
    from dataproducts.ports.kafka.reading import TopicInput as TopicInput
    from dataproducts.ports.kafka.topic import Topic as Topic
    from dataproducts.ports.package import Package as Package
    from dataproducts.product import DataProduct as DataProduct
    from dataproducts.pseudonym import Pseudonym as Pseudonym
    from dataproducts.quality.anonymity import KAnonymity as KAnonymity
    from dataproducts.quality.links import translate as translate
    from dataproducts.quality.suppression import Suppression as Suppression

_HOME = {
    "BigQuery": "ports.bigquery",
    "KEPT": "contract",
    "REST": "contract",
    "Contract": "contract",
    "DataProduct": "product",
    "DataProductsError": "errors",
    "Database": "ports.inputs.database",
    "Dataset": "dataset",
    "KAnonymity": "quality.anonymity",
    "Dlt": "ports.inputs.dlt_source",
    "Files": "ports.inputs.files",
    "Messages": "ports.kafka.reading",
    "Pseudonym": "pseudonym",
    "Package": "ports.package",
    "Result": "materialization",
    "Rows": "ports.inputs.rows",
    "Source": "dataset",
    "Suppression": "quality.suppression",
    "Topic": "ports.kafka.topic",
    "TopicInput": "ports.kafka.reading",
    "UNCHANGED": "materialization",
    "Version": "history.lake",
    "changes": "history.lake",
    "column": "contract",
    "erasure_feed": "erasure.feed",
    "previous": "inputs",
    "read": "history.lake",
    "scan": "history.lake",
    "translate": "quality.links",
    "until": "inputs",
    "versions": "history.lake",
}

__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'dataproducts' has no attribute {name!r}")
    return getattr(import_module(f"dataproducts.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
