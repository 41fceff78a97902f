"""What every benchmark says about itself: machine and versions; and tables made from its rows."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def described(*packages: str) -> dict[str, Any]:
    """Machine and package versions."""
    name = _processor("model name") or platform.machine()
    machine = f"{os.cpu_count()} cores, {name}, Python {platform.python_version()}"
    return {
        "machine": machine,
        "gpu": _gpu(),
        "versions": {p: version(p) for p in ("torch", "transformers", *packages)},
    }


def host() -> str:
    """Cores, architecture and Python in one line."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def timed_on(device: torch.device) -> dict[str, Any]:
    """Processor, threads and device of a timing."""
    import torch

    described: dict[str, Any] = {
        "cpu": _processor("model name") or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "python": platform.python_version(),
    }
    if device.type == "cuda":
        described["gpu"] = torch.cuda.get_device_name(device)
    return described


def versions(*names: str) -> dict[str, str]:
    """The versions of packages, installed or not."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


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
