"""Statements of simulations, on a copy of the store that is thrown away."""
