"""The embedded default: reviews of our own making and small language models pretrained on them.

With them a newcomer without GPU, network or data gets a real search in minutes. They are also a test
bed: the world behind the models is written down here, so the best prompt is known.
Importing this package loads neither torch nor transformers.
"""

from collections.abc import Mapping
from pathlib import Path

BUILTIN: Mapping[str, Path] = {f"builtin:{name}": Path(__file__).parent / name for name in ("gpt", "bert", "t5")}
"""Folders of the models, in the layout that `from_pretrained` reads: causal, masked, and seq2seq."""

GPT_FOLDER = BUILTIN["builtin:gpt"]

__all__ = ["BUILTIN", "GPT_FOLDER"]
