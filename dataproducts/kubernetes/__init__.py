"""Runs, steps and scripts as pods of a Kubernetes cluster, each with what its product's `runtime` says."""
