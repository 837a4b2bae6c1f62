"""A model's score turned into a position."""
