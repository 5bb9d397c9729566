"""Where data enters and leaves: BigQuery tables and Kafka topics."""
