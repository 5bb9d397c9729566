"""What pages and the API show, each in at most four queries: products, datasets, columns, teams, concepts, versions, the catalog itself.

The names below are the whole interface; a file is a topic.
"""

from dataproducts.catalog.reading.changes import News, SchemaChange, news, schema_history
from dataproducts.catalog.reading.columns import ColumnPage, column
from dataproducts.catalog.reading.datasets import DatasetPage, dataset
from dataproducts.catalog.reading.events import ArrivalRow, CheckRow, FailureRow, checks
from dataproducts.catalog.reading.lineage import Neighbor, neighbors
from dataproducts.catalog.reading.lists import Summary, summaries
from dataproducts.catalog.reading.overview import Front, Status, front, proofs, status
from dataproducts.catalog.reading.partitions import PartitionRow, VersionPage, VersionRow, version, versions
from dataproducts.catalog.reading.products import ConceptPage, ProductPage, TeamPage, concept, product, team
from dataproducts.catalog.reading.remarks import RemarkRow, Voices, voices
from dataproducts.catalog.reading.states import State

__all__ = [
    "ArrivalRow",
    "CheckRow",
    "ColumnPage",
    "ConceptPage",
    "DatasetPage",
    "FailureRow",
    "Front",
    "Neighbor",
    "News",
    "PartitionRow",
    "ProductPage",
    "RemarkRow",
    "SchemaChange",
    "State",
    "Status",
    "Summary",
    "TeamPage",
    "VersionPage",
    "VersionRow",
    "Voices",
    "checks",
    "column",
    "concept",
    "dataset",
    "front",
    "neighbors",
    "news",
    "product",
    "proofs",
    "schema_history",
    "status",
    "summaries",
    "team",
    "version",
    "versions",
    "voices",
]
