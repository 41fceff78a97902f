"""Randomness by name: the same parts always give the same stream, on every machine."""

from __future__ import annotations

import hashlib
import random


def derive_seed(*parts: object) -> int:
    """A 32-bit seed from the text of `parts` (blake2b; never Python's salted `hash`)."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")


def derive_rng(*parts: object) -> random.Random:
    """A generator of its own for one purpose, e.g. `derive_rng(seed, "demos", draw)`."""
    return random.Random(derive_seed(*parts))
