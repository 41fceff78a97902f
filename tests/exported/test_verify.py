from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoprompt_search.core.errors import ConfigError, TamperedError
from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.prompts import Prompt, SoftPrompt
from autoprompt_search.exported import load_prompt, verify
from autoprompt_search.exporters.document import ADAPTER_WEIGHTS, FORMAT
from autoprompt_search.exporters.manifest import LIMITS, TEXT_MANIFEST, check_folder
from autoprompt_search.exporters.prompt import PromptFolder
from autoprompt_search.testing.factories import label_answers

from ..exporters.finals import TEMPLATE, WORDS, final_prompt, nearest, reviews  # noqa: TID252

FILES = (
    "prompt.yaml",
    "README.md",
    "golden.jsonl",
    "demonstrations.jsonl",
    "adapter/adapter_config.json",
    ADAPTER_WEIGHTS,
)
"""All that a folder can hold, besides the manifest and the text alone."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    final = final_prompt(Prompt(TEMPLATE, label_answers(WORDS), demos=nearest(reviews(6, "train"))))
    soft = SoftPrompt("prompt-tuning", 2, final.model_fingerprint, b"vectors", sha256_bytes(b"vectors"), {"a": None})
    made = replace(final, prompt=replace(final.prompt, soft=soft))
    return PromptFolder().export(made, tmp_path_factory.mktemp("export"))


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "mine"))


def manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    change(content)
    (folder / "manifest.json").write_text(json.dumps(content))


def test_an_untouched_copy_is_fine(folder: Path) -> None:
    verify(folder)
    verify(str(folder))
    assert sorted(check_folder(folder)) == sorted(FILES)
    assert set(LIMITS) == {*FILES, TEXT_MANIFEST}


def test_a_copy_under_a_link_is_fine(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    verify(tmp_path / "link")


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_found(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(bytes(data))
    with pytest.raises(TamperedError, match=f"^{name} .*its hash differs"):
        verify(folder)


@pytest.mark.parametrize("name", FILES)
def test_one_added_byte_is_found(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    with pytest.raises(TamperedError, match=f"^{name} .* bytes instead of"):
        load_prompt(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(TamperedError, match=f"{name} is missing"):
        verify(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_link_is_not_followed(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TamperedError, match=f"{name} in .* is a link"):
        verify(folder)


def test_a_linked_folder_is_not_entered(folder: Path, tmp_path: Path) -> None:
    (folder / "adapter").rename(tmp_path / "elsewhere")
    (folder / "adapter").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TamperedError, match=r"adapter in .* is a link"):
        verify(folder)


def test_a_pipe_is_not_read(folder: Path) -> None:
    (folder / "README.md").unlink()
    os.mkfifo(folder / "README.md")
    with pytest.raises(TamperedError, match="special file"):
        verify(folder)


@pytest.mark.parametrize("name", ["notes.txt", "adapter/adapter_model.bin", "sub/prompt.yaml"])
def test_an_added_file_is_named(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("x")
    with pytest.raises(TamperedError, match=f"{name} was not exported"):
        verify(folder)


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "adapter/../../secret", "adapter\\x", "adapter/", "x.py", ""]
)
def test_a_manifest_cannot_lead_elsewhere(folder: Path, path: str) -> None:
    (folder.parent / "secret").write_text("x")
    entry = {"sha256": sha256_bytes(b"x"), "bytes": 1}
    manifest(folder, lambda c: c["files"].update({path: entry}))
    with pytest.raises(TamperedError, match=r"no part of an exported prompt|is missing"):
        verify(folder)


def test_a_huge_file_is_refused_unread(folder: Path) -> None:
    size = LIMITS["prompt.yaml"] + 1
    os.truncate(folder / "prompt.yaml", size)
    with pytest.raises(TamperedError, match=f"{size} bytes instead of"):
        verify(folder)
    manifest(folder, lambda c: c["files"]["prompt.yaml"].update(bytes=size))
    with pytest.raises(TamperedError, match="larger than any export"):
        verify(folder)


def test_a_huge_manifest_is_refused_unread(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 2**21)
    with pytest.raises(TamperedError, match="too large"):
        verify(folder)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"format": 1}', b'{"format": 1, "files": {"prompt.yaml": 3}}', b"[" * 9999]
)
def test_a_broken_manifest_is_refused(folder: Path, data: bytes) -> None:
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(TamperedError, match="manifest"):
        verify(folder)


def test_a_manifest_must_list_the_prompt(folder: Path) -> None:
    (folder / "golden.jsonl").unlink()
    manifest(folder, lambda c: c["files"].pop("golden.jsonl"))
    with pytest.raises(TamperedError, match=r"does not list golden\.jsonl"):
        verify(folder)


def test_a_newer_format_asks_for_an_update(folder: Path) -> None:
    manifest(folder, lambda c: c.update(format=FORMAT + 1))
    with pytest.raises(TamperedError, match="update the package"):
        verify(folder)


@pytest.mark.parametrize("name", ["adapter/adapter_config.json", ADAPTER_WEIGHTS, "demonstrations.jsonl"])
def test_a_part_removed_from_folder_and_manifest_is_missed(folder: Path, name: str) -> None:
    (folder / name).unlink()
    manifest(folder, lambda c: c["files"].pop(name))
    with pytest.raises(TamperedError, match=name.rpartition("/")[2]):
        verify(folder)


def test_weights_swapped_with_their_manifest_entry_are_found(folder: Path) -> None:
    (folder / ADAPTER_WEIGHTS).write_bytes(b"others!")
    manifest(folder, lambda c: c["files"][ADAPTER_WEIGHTS].update(sha256=sha256_bytes(b"others!")))
    with pytest.raises(TamperedError, match="soft prompt"):
        verify(folder)


def test_what_is_no_export_is_the_users_mistake(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        verify(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="not an exported prompt"):
        verify(tmp_path)
    (folder / "manifest.json").unlink()
    with pytest.raises(TamperedError, match=r"manifest\.json in .* is missing"):
        verify(folder)
