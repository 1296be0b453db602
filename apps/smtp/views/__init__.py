"""Pages of the smtp app."""
