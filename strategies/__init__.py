"""What to want: features, models, sizing, strategies."""
