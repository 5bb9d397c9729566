"""Google Cloud: the real upstreams, the lake in a bucket (DATAPRODUCTS_LAKE=gs://...).

With BIGQUERY_PROJECT set, SQL datasets are jobs of the resource "bigquery", over the BigQuery ports of what they read.
"""

from __future__ import annotations

import os
from typing import Any

from dagster_gcp import BigQueryResource

from dataproducts import settings
from dataproducts.ports.kafka.connection import KafkaResource
from resources.register import RegisterResource


def resources() -> dict[str, Any]:
    """Resources by the name under which datasets ask for them."""
    settings.required("DATAPRODUCTS_LAKE", "the lake's address, for instance gs://bucket/lake")
    return {
        "register": RegisterResource(sandbox=False),
        "bigquery": BigQueryResource(project=os.environ.get("BIGQUERY_PROJECT")),
        "kafka": KafkaResource(),
    }
