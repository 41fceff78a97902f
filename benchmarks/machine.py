"""What every benchmark says about itself: machine and versions; and tables made from its rows."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any


def described(*packages: str) -> dict[str, Any]:
    """Machine and package versions."""
    name = _processor("model name") or platform.machine()
    machine = f"{os.cpu_count()} cores, {name}, Python {platform.python_version()}"
    return {
        "machine": machine,
        "gpu": _gpu(),
        "versions": {p: version(p) for p in ("torch", "transformers", *packages)},
    }


def fast_format() -> str:
    """The number format that this processor multiplies matrices fastest in."""
    return "bfloat16" if {"avx512_bf16", "amx_bf16"} & set(_processor("flags").split()) else "float32"


def _processor(what: str) -> str:
    """A line of what Linux says about the first processor; empty where it says nothing."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(what)), "")


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none at hand: its figures are missing"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Markdown; the keys of the first row are the columns."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([str(row[c]) for c in columns] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
