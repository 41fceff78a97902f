"""Settings for every test."""

from hypothesis import settings

settings.register_profile("tests", deadline=None)  # a busy machine is no bug
settings.load_profile("tests")
