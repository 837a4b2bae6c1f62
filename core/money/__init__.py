"""Money state and its fold."""
