"""Requests to other systems: guarded against leading elsewhere, signed, and judged by their answers."""
