"""Serving trained models: the card that says what a model is, and the scorer that runs it."""
