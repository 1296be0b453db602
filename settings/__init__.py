"""Settings: typed environment, the time table, tiers, and one module per way of running."""
