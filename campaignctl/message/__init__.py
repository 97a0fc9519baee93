"""From template to bytes; pure, given the templates."""
