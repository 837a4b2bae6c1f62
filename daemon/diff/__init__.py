"""Why two runs of one day earned differently: a live run against its shadow, or against a replay of its own rows."""
