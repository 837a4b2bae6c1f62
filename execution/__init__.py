"""How to get there: from targets to scheduled child orders."""
