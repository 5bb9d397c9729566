"""The metadata graph as it is, or was: nodes, edges and lineage at any time.

The names below are the whole interface; a file is a topic.
"""

from dataproducts.catalog.graph.lineage import MOST_NODES, Lineage, lineage
from dataproducts.catalog.graph.nodes import Direction, Edge, Node, valid
from dataproducts.catalog.graph.reading import edges, history, nodes, of_kind

__all__ = ["MOST_NODES", "Direction", "Edge", "Lineage", "Node", "edges", "history", "lineage", "nodes", "of_kind", "valid"]
