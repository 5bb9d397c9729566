"""Backups of what is no part of the lake's data: the catalog and the registry of erasures, in one folder that is whole or is not there."""
