"""Management commands of the smtp app."""
