"""What holds for every test."""

from hypothesis import settings

# How long an example takes says more about what else the machine does; bench/ measures time.
settings.register_profile("doorward", deadline=None)
settings.load_profile("doorward")
