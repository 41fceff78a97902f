"""The embedded default: reviews of our own making and a small language model pretrained on them.

With it a newcomer without GPU, network or data gets a real search in minutes. It is also a test
bed: the world behind the model is written down here, so the best prompt is known.
Importing this package loads neither torch nor transformers.
"""

from pathlib import Path

GPT_FOLDER = Path(__file__).parent / "gpt"
"""Folder of `builtin:gpt`, in the layout that `from_pretrained` reads."""

__all__ = ["GPT_FOLDER"]
