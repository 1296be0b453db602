"""Tests that use the product as people do, in a real browser."""
