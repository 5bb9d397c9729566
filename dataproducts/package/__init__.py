"""Datasets as Frictionless Data Packages: what is taken along, the files, and what is said about them."""
