"""What must be right before a trader may start, and while it runs: small checks, each one line with its remedy."""
