"""The tracking floor's pages, one module per noun."""
