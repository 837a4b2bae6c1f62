"""Drills that an operator runs in paper: `quantd drill kill`. Each has a gateway and a trader of its own."""
