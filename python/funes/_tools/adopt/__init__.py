"""Adopt."""
