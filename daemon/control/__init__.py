"""The control socket: server, client, messages, and what the trader offers to it."""
