"""The follower: tails the journal in a process of its own, so that nothing it does can touch trading. Never connects to
the trader and never writes but snapshots, its own status and the database.
"""
