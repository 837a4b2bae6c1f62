"""`quantd init`: a config file from a few answers. Owns the questions, what is made of the answers, and how a file with
comments is written; what a key means and what it takes is said by the schema alone.
"""
