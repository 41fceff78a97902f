"""The best prompt as a folder: readable, checkable, and usable without this package. Knows no model and no search."""

from __future__ import annotations

import json
from pathlib import Path

from autoprompt_search.core.fingerprint import sha256_bytes
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.core.replacing import replacing, sync
from autoprompt_search.exporters.card import card
from autoprompt_search.exporters.document import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    DOCUMENT,
    GOLDEN,
    POOL,
    golden_lines,
    write,
)
from autoprompt_search.exporters.formats import plain, to_jsonl
from autoprompt_search.exporters.manifest import CARD, MANIFEST, TEXT, TEXT_MANIFEST, manifest_of
from autoprompt_search.exporters.written import pool_lines

FOLDER = "best_prompt"


class PromptFolder:
    """Writes `best_prompt/`: prompt.yaml, README.md (the card), golden.jsonl, manifest.json.

    Beside them `adapter/` in PEFT's format where there is a soft prompt, and `demonstrations.jsonl` where
    every query gets demonstrations of its own, and `text/`, an export of its own, where a soft prompt can be left out.
    Same prompt, same bytes.
    """

    def export(self, final: FinalPrompt, folder: Path) -> Path:
        """Write `folder`/best_prompt, in place of an earlier one, and return it. Never seen half written."""
        files = folder_of(final)
        with replacing(folder / FOLDER) as draft:
            for name, data in files.items():
                sync(draft / name, data)
        return folder / FOLDER


def folder_of(final: FinalPrompt) -> dict[str, bytes]:
    """Every file of the export: path in the folder -> content."""
    files = files_of(final)
    if final.text_alone is None:
        return {**files, MANIFEST: manifest_of(files)}
    inner = {f"{TEXT}/{path}": data for path, data in folder_of(final.text_alone).items()}
    listed = {**files, TEXT_MANIFEST: inner[TEXT_MANIFEST]}
    return {**files, **inner, MANIFEST: manifest_of(listed)}


def files_of(final: FinalPrompt) -> dict[str, bytes]:
    """Its files but the manifest and the prompt inside it."""
    prompt, soft = final.prompt, final.prompt.soft
    files = {
        DOCUMENT: write(final),
        CARD: card(final),
        GOLDEN: to_jsonl(golden_lines(final)),
    }
    if prompt.demos.per_query:
        files[POOL] = to_jsonl(pool_lines(prompt, final.backend))
    if soft is not None:
        if sha256_bytes(soft.weights) != soft.sha256:
            raise ValueError("the soft prompt's weights do not have the hash it names")
        files[ADAPTER_CONFIG] = (json.dumps(plain(soft.adapter), indent=2) + "\n").encode()
        files[ADAPTER_WEIGHTS] = soft.weights
    return files
