"""Telling people that something goes wrong, and that it is over: by Slack and mail, as `alerts` in product.yaml says."""
