"""Proofs over a whole store."""
