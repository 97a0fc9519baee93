"""The HTTP service: what other systems and people's browsers ask."""
