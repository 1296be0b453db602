"""Management commands of the tracking app."""
