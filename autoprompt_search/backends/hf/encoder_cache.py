"""What an encoder made of prompts, kept for vectors on the decoder's side. Knows ids and tensors, no decoder."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch

Source = tuple[int, ...]
"""Ids that an encoder reads."""


class EncoderCache:
    """The most recently used encoder states of one model, within a number of bytes.

    Vectors on the decoder's side leave them as they are, so that all steps, rungs and trials of such soft
    prompts share them.
    """

    def __init__(self, limit: int = 0) -> None:
        self.limit, self.nbytes = limit, 0
        self._kept: OrderedDict[Source, torch.Tensor] = OrderedDict()

    def read(self, sources: Sequence[Source], encode: Callable[[Sequence[Source]], torch.Tensor]) -> torch.Tensor:
        """[sources, longest, width] states; only those that are not known go through the encoder.

        Args:
            sources: Distinct ones.
            encode: [sources, longest, width] of some of them, filled up on the right.
        """
        known = {source: self._kept[source] for source in sources if source in self._kept}
        for source in known:
            self._kept.move_to_end(source)
        new = [source for source in sources if source not in known]
        if new:
            encoded = encode(new).detach()
            known |= {source: states[: len(source)] for source, states in zip(new, encoded, strict=True)}
            self._keep(known, new)
        return torch.nn.utils.rnn.pad_sequence([known[source] for source in sources], batch_first=True)

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self.nbytes = 0

    def _keep(self, known: dict[Source, torch.Tensor], new: Sequence[Source]) -> None:
        if not self.limit:
            return
        for source in new:
            self._kept[source] = known[source].clone()
            self.nbytes += _bytes(self._kept[source])
        while self.nbytes > self.limit:
            _, states = self._kept.popitem(last=False)
            self.nbytes -= _bytes(states)


def _bytes(states: torch.Tensor) -> int:
    return states.numel() * states.element_size()
