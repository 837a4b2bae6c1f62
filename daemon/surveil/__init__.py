"""Surveillance of a past day (control 46): what the journal says was sent and done, searched for patterns."""
