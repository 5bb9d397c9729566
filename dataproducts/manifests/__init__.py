"""Manifests of a cluster that follow from a product's declarations: written, never applied."""
