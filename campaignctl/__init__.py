"""Campaigns as code: YAML files in Git become messages that arrive."""

__version__ = "0.1.0"
