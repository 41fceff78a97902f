"""Settings for every test."""

import os

from hypothesis import settings

# A process takes Ray's token authentication up with the first Ray it starts, or not, and keeps to it: then it may join
# no cluster that does without. All tests and what they start do without.
os.environ["RAY_AUTH_MODE"] = "disabled"

# Tests that run side by side have a core each.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("tests", deadline=None)  # a busy machine is no bug
settings.load_profile("tests")
