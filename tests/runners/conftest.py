"""The `perilous` backend, installed as a third party's package would be, for this process and its workers."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def perilous(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    place = tmp_path_factory.mktemp("site")
    shutil.copy(HERE / "perilous.py", place / "perilous_backend.py")
    info = place / "perilous_backend-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: perilous-backend\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[autoprompt_search.backends]\nperilous = perilous_backend:Perilous\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        patch.setenv("PYTHONPATH", os.pathsep.join((str(place), str(HERE.parents[1]))))
        yield
    sys.modules.pop("perilous_backend", None)
