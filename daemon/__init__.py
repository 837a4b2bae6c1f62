"""The imperative shell: everything that touches clock, disk or network."""
