"""The ground floor's health checks; importing this package registers them."""

from core.checks import installation, services, surroundings, workers

__all__ = ["installation", "services", "surroundings", "workers"]
