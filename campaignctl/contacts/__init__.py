"""Bringing contacts in from files, and giving them out again."""
