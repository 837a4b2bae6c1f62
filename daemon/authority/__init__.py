"""Operators: their keys and codes, the proof on a command, and its verification by the trader itself."""
