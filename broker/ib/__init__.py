"""Interactive Brokers: the adapter between the TWS socket protocol and the engine's facts and commands."""
