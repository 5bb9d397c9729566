"""SQL datasets: one SELECT in BigQuery's dialect, checked before it runs; in DuckDB here, as a query job at BigQuery there."""
