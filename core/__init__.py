"""Vocabulary and pure engine: no clock, no IO, no logging."""
