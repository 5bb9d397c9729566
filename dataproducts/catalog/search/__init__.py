"""Search: what is found, in which order and why; one analyser and one ranking over SQLite FTS5 and PostgreSQL tsvector."""
