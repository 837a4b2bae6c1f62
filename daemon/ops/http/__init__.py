"""Probes, metrics and the read-only API, by HTTP."""
