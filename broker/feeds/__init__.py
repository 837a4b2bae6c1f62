"""Recorded and synthetic market-data feeds."""
