"""The risk worker: value at risk, stress and days to exit (risk/measure.py), in a process beside the trader, so that a
pass never holds up the trading loop. A tape's trader measures in its own process, at the tape's time.
"""
