"""The campaign pages: each finds its record within the workspace, calls one service or selector, and renders."""
