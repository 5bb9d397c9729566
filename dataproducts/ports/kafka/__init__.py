"""Kafka: topics that data enters by and leaves by. Nothing here is imported, and no client made, before it is used."""
