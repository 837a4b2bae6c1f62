"""Features: numbers that models are fed with, kept by compiled kernels, one state row per instrument."""
