"""Services of the smtp app: what changes rows or sends."""
