"""Tiny models on disk, made once per test run; for the conftest files of folders that need them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from autoprompt_search.testing.tiny import tiny_model

TinyModels = Callable[..., Path]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    """Folder of a tiny model by architecture, seed and number of classes."""
    root = tmp_path_factory.mktemp("tiny")

    def build(family: str = "gpt2", seed: int = 0, classes: int = 0) -> Path:
        folder = root / f"{family}-{seed}-{classes}"
        return folder if folder.exists() else tiny_model(folder, family, seed=seed, classes=classes)

    return build
