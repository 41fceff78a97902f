"""A folder is replaced whole or not at all, also where the disk or the process gives up in between."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autoprompt_search.core.replacing import replacing


def put(path: Path, text: str) -> None:
    path.mkdir()
    (path / "file").write_text(text, encoding="utf-8")


def content(path: Path) -> str:
    return (path / "file").read_text(encoding="utf-8")


def test_what_is_there_stands_until_the_new_one_does(tmp_path: Path) -> None:
    place = tmp_path / "place"
    put(place, "old")
    with replacing(place) as made:
        put(made, "new")
        assert content(place) == "old"
    assert content(place) == "new"
    with contextlib.suppress(InterruptedError), replacing(place) as made:
        put(made, "newer")
        raise InterruptedError
    assert content(place) == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["place"]


def test_an_error_between_the_two_moves_brings_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, rename = tmp_path / "place", Path.rename
    put(place, "old")

    def failing(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="Input/output"), replacing(place) as made:
        put(made, "new")
    assert content(place) == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["place"]


@pytest.mark.parametrize("name", ["place", "odd [*] name"])
@pytest.mark.parametrize("after", ["while it is made", "between the moves"])
def test_what_a_killed_process_left_is_tidied_by_the_next(name: str, after: str, tmp_path: Path) -> None:
    place = tmp_path / name
    put(place, "old")
    code = f"""
import os, pathlib, signal
from autoprompt_search.core.replacing import replacing
rename = pathlib.Path.rename
def dying(self, target):
    if self.name == "new":
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
pathlib.Path.rename = dying
with replacing(pathlib.Path({str(place)!r})) as made:
    made.mkdir()
    if {after == "while it is made"}:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ}).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == (2 if after == "while it is made" else 1)
    with contextlib.suppress(InterruptedError), replacing(place):
        raise InterruptedError
    assert content(place) == "old"
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_draft_of_somebody_who_is_at_it_is_left_alone(tmp_path: Path) -> None:
    with replacing(tmp_path / "place") as first:
        put(first, "first")
        with replacing(tmp_path / "place") as second:
            put(second, "second")
        assert content(first) == "first"
    assert content(tmp_path / "place") == "first"


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_link_is_replaced_and_not_followed(is_folder: bool, tmp_path: Path) -> None:
    put(tmp_path / "far", "far")
    place = tmp_path / "place"
    place.symlink_to(tmp_path / "far" if is_folder else tmp_path / "far" / "file")
    with replacing(place) as made:
        put(made, "new")
    assert not place.is_symlink()
    assert content(place) == "new"
    assert content(tmp_path / "far") == "far"


def test_a_file_in_place_of_a_file_or_a_link(tmp_path: Path) -> None:
    (tmp_path / "far").write_text("far", encoding="utf-8")
    (tmp_path / "place").symlink_to(tmp_path / "far")
    for text in ("one", "two"):
        with replacing(tmp_path / "place") as made:
            made.write_text(text, encoding="utf-8")
        assert (tmp_path / "place").read_text(encoding="utf-8") == text
    assert (tmp_path / "far").read_text(encoding="utf-8") == "far"
