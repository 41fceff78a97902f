"""A third party's package on the import path, registered as an installed one is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install("plugin", {"name": "plugin:attribute"}, source)` puts a module and its dist-info on sys.path."""
    made: list[str] = []

    def write(module: str, points: Mapping[str, str], source: str = "", *, group: str = "shapes") -> None:
        place = tmp_path / module
        info = place / f"{module}-1.0.dist-info"
        info.mkdir(parents=True)
        (place / f"{module}.py").write_text(source, encoding="utf-8")
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
        lines = "".join(f"{name} = {target}\n" for name, target in points.items())
        (info / "entry_points.txt").write_text(f"[autoprompt_search.{group}]\n{lines}", encoding="utf-8")
        monkeypatch.syspath_prepend(str(place))
        made.append(module)

    yield write
    for module in made:
        sys.modules.pop(module, None)
