"""Tiny models on disk."""

from tests.tiny_models import one_thread, tiny

__all__ = ["one_thread", "tiny"]
