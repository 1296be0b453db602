"""Whose world it is: users, workspaces, roles."""
