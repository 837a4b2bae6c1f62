"""Transaction cost analysis: what every schedule of a journal cost against what it meant to do. Reads records and
market rows through core's own code; runs no strategy and sends nothing. docs/tca.md holds the conventions.
"""
