"""`export`: the best prompt to a place of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.replacing import replacing
from autoprompt_search.exported import verify

PROMPT = "best_prompt"


def copy_prompt(folder: Path, to: Path, *, force: bool) -> Path:
    """Check the prompt of a search (or of an exported folder), copy it, and check the copy.

    `to` is complete or untouched, whatever happens; what a killed export has left is tidied up. Raises
    `ConfigError` when it holds something and `force` is off, or cannot be written, and `TamperedError` when the prompt
    is not what was exported.
    """
    source = folder / PROMPT if (folder / PROMPT).is_dir() else folder
    verify(source)
    if to.resolve() == source.resolve() or source.resolve() in to.resolve().parents:
        raise ConfigError(f"--to: {to} is the prompt itself, or inside of it")
    is_taken = to.exists() and (not to.is_dir() or any(to.iterdir()))
    if is_taken and not force:
        raise ConfigError(f"--to: {to} is not empty; use --force to replace it")
    try:
        with replacing(to) as draft:
            shutil.copytree(source, draft)
            verify(draft)
    except OSError as exc:
        raise ConfigError(f"--to: cannot write {to}: {exc.strerror or exc}") from exc
    return to
