"""The bridge to an MQTT broker: tells what the trader does, and passes signed commands on. It decides nothing, and the
trader believes none of it.
"""
