"""Where data enters from outside: databases, files, dlt. Nothing here is imported, and nothing opened, before it is used."""
