from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from autoprompt_search.core.disk import is_folder, is_there


def test_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert is_there(tmp_path)
    assert is_folder(tmp_path)
    assert is_there(tmp_path / "file")
    assert not is_folder(tmp_path / "file")
    assert not is_there(tmp_path / "nothing")


def test_a_name_that_no_file_can_have_is_no_file() -> None:
    assert not is_there(Path("x" * 5000))
    assert not is_folder(Path("x" * 5000))


def test_what_may_not_be_looked_at_is_left_to_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "stat", refused)
    assert is_there(tmp_path)
    assert not is_folder(tmp_path)
