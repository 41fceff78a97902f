from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.protocols import Exporter
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import SoftPrompt
from autoprompt_search.exporters import EXPORTERS
from autoprompt_search.exporters.prompt import PromptFolder

from .finals import final_prompt

SOFT = SoftPrompt("prompt-tuning", 2, "base", b"weights", sha256_bytes(b"weights"), {"peft_type": "PROMPT_TUNING"})


def test_it_is_registered_without_options() -> None:
    built = EXPORTERS.build(ComponentSpec(type="prompt"))
    assert isinstance(built, PromptFolder)
    assert isinstance(built, Exporter)
    assert EXPORTERS.problems(ComponentSpec(type="prompt", folder="x"))


def test_the_manifest_lists_every_other_file(tmp_path: Path) -> None:
    final = final_prompt()
    place = PromptFolder().export(replace(final, prompt=replace(final.prompt, soft=SOFT)), tmp_path / "new")
    assert place == tmp_path / "new" / "best_prompt"
    manifest = json.loads((place / "manifest.json").read_text())
    found = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()} - {"manifest.json"}
    assert set(manifest["files"]) == found
    assert "adapter/adapter_model.safetensors" in found
    for path, entry in manifest["files"].items():
        data = (place / path).read_bytes()
        assert entry == {"sha256": sha256_bytes(data), "bytes": len(data)}


def test_an_earlier_export_is_replaced_whole(tmp_path: Path) -> None:
    final = final_prompt()
    place = PromptFolder().export(replace(final, prompt=replace(final.prompt, soft=SOFT)), tmp_path)
    (place / "notes.txt").write_text("mine")
    assert PromptFolder().export(final, tmp_path) == place
    assert sorted(p.name for p in place.iterdir()) == ["README.md", "golden.jsonl", "manifest.json", "prompt.yaml"]
    assert [p.name for p in tmp_path.iterdir()] == ["best_prompt"]


def test_a_failed_export_leaves_the_earlier_one(tmp_path: Path) -> None:
    place = PromptFolder().export(final_prompt(), tmp_path)
    before = (place / "prompt.yaml").read_bytes()
    broken = final_prompt()
    with pytest.raises(TypeError):
        PromptFolder().export(replace(broken, scores={"metric": {1, 2}}), tmp_path)
    bad = replace(broken.prompt, soft=replace(SOFT, sha256="0" * 64))
    with pytest.raises(ValueError, match="hash"):
        PromptFolder().export(replace(broken, prompt=bad), tmp_path)
    assert (place / "prompt.yaml").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["best_prompt"]
