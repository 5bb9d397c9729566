"""What the datasets run against on a laptop, by the name under which they ask for it."""


def resources() -> dict[str, object]:
    """None yet; a client of a source is one, for instance."""
    return {}
