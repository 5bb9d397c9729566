"""Examples of use: files of a product's `examples/`, run against what is published, with what they showed kept beside the data."""
