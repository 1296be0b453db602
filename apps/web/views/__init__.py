"""Views of the web app."""
