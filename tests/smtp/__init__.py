"""Tests of the smtp app."""
