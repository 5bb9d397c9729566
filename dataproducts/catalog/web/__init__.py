"""The catalog on the web: pages, REST, documents for machines, and what keeps them safe."""
