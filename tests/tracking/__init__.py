"""Tests of the tracking app."""
