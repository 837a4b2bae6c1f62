"""A copy of the journal off the machine, and a state directory made from it: `quantd journal ship`, `journal restore`.
Reads beside the trader and never holds it up; knows bytes, frames and small files, no order.
"""
