"""How fast the kit is, beside a floor measured in the same run: `python -m benchmarks`."""
