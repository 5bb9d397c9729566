"""The BigQuery port: every version of a dataset as rows of an append-only table, loaded exactly once, with views for readers."""

from dataproducts.ports.bigquery.declaration import BigQuery as BigQuery
