"""Checks across steps; each problem has its code."""
