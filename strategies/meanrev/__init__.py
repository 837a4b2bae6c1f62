"""Mean reversion of the mid around its own recent average."""
