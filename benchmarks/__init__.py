"""Measurements of the product against others, each a command of its own; nothing here is imported by the product."""
