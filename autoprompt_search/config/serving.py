"""The endpoint of a search: the file's options, with what the search around it decides. Opens nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autoprompt_search.backends import ENDPOINT
from autoprompt_search.config.data import longest_prompts
from autoprompt_search.config.models import SearchConfig
from autoprompt_search.core.registry import ComponentSpec
from autoprompt_search.core.types import Splits
from autoprompt_search.prompting import PromptBook

OPENAI = "openai"
_AT_ONCE = 8
"""Requests at a time where the runner says nothing."""


def served(config: SearchConfig, book: PromptBook, splits: Splits, state: Path) -> ComponentSpec:
    """The backend as trials get it: an endpoint with its journal, its limits and the length of its longest prompts.

    `runner.concurrency` counts its requests.
    """
    if config.backend.type != OPENAI:
        return config.backend
    around: dict[str, Any] = {
        "of": config.backend.options,
        "journal": str(state / "endpoint.sqlite"),
        "concurrency": int(config.runner.options.get("concurrency", _AT_ONCE)),
        "caps": dict(config.budget.limits),
        "longest": longest_text(config, book, splits),
    }
    return ComponentSpec(type=ENDPOINT, **around)


def longest_text(config: SearchConfig, book: PromptBook, splits: Splits) -> int:
    """Characters of the longest prompt that the baseline's template makes, with as many demonstrations as can be."""
    prompt = book.compose(config.space.baseline(config.baseline))
    return max(len(rendered.text) for rendered in longest_prompts(config, prompt, splits))
