"""Settings for every test."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A process takes Ray's token authentication up with the first Ray it starts, or not, and keeps to it: then it may join
# no cluster that does without. All tests and what they start do without.
os.environ["RAY_AUTH_MODE"] = "disabled"

# Tests that run side by side have a core each.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("tests", deadline=None)  # a busy machine is no bug
settings.load_profile("tests")


@pytest.fixture(scope="session", autouse=True)
def _small_forest() -> Iterator[None]:
    """The forest behind the importances takes most of a report's time and has a test of its own."""
    from autoprompt_search.report import importance

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importance, "TREES", 4)
        yield
