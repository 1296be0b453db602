"""What accounts does: set-up, workspaces."""
