"""`export`: the best prompt to a place of its own."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from autoprompt_search.core.errors import ConfigError
from autoprompt_search.exported import verify

PROMPT = "best_prompt"


def copy_prompt(folder: Path, to: Path, *, force: bool) -> Path:
    """Check the prompt of a search (or of an exported folder), copy it, and check the copy.

    `to` is complete or untouched, whatever happens. Raises `ConfigError` when it holds something
    and `force` is off, or cannot be written; `TamperedError` when the prompt is not what was exported.
    """
    source = folder / PROMPT if (folder / PROMPT).is_dir() else folder
    verify(source)
    if to.resolve() == source.resolve() or source.resolve() in to.resolve().parents:
        raise ConfigError(f"--to: {to} is the prompt itself, or inside of it")
    is_taken = to.exists() and (not to.is_dir() or any(to.iterdir()))
    if is_taken and not force:
        raise ConfigError(f"--to: {to} is not empty; use --force to replace it")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
        try:
            shutil.copytree(source, draft / PROMPT)
            verify(draft / PROMPT)
            if to.exists():
                to.rename(draft / "replaced")
            (draft / PROMPT).rename(to)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as exc:
        raise ConfigError(f"--to: cannot write {to}: {exc.strerror or exc}") from exc
    return to
