"""Settings that every test shares."""

from hypothesis import settings

# deadline: no test may depend on the speed of the machine. print_blob: a failure prints what reproduces it.
settings.register_profile("quantd", deadline=None, print_blob=True)
settings.load_profile("quantd")
