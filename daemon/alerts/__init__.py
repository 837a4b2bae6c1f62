"""Telling a person: what the trader's journal and the guard raise, to everybody the config names, until it is seen."""
