"""The outside world, one adapter per folder."""
