"""Offline work on the same engine and kernels: data, training, back-tests."""
