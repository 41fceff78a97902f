"""Whether a loaded model can be continued in a quick way, found out by doing it beside the plain way on a few ids.

The probes are rows of different lengths that join, go on and leave at different times; their logits are compared with
those of each row read alone and whole. What passes gives every row the same text in any company, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from autoprompt_search.backends.hf import ragged_attention
from autoprompt_search.backends.hf.decoders import Decoder, EvenDecoder, Opening, RaggedDecoder, swap_out
from autoprompt_search.backends.hf.prefix_cache import PrefixCache
from autoprompt_search.backends.hf.tokenizer import Ids

_FRONT, _STEPS = 5, 3
"""Ids that all probes begin with; steps."""
_RAGGED, _EVEN = (11, 7, 9, 6, 13, 8), (9,) * 5
"""Ids of each probe before the first step."""
_FIRST = 4
"""Probes that are there from the beginning; the others join after a step."""
_CLOSE, _CLOSE_ON_AVERAGE = 1e-3, 0.1
"""Largest difference of log-probabilities, relative above one; the mean one where numbers are of fewer than `_FULL`
bytes, whose rounding is coarse."""
_FULL = 4


def writes_ragged(model: Any) -> bool:
    """Whether rows of any length can be continued side by side, behind a beginning and without one."""
    probes = _Probes(model, _RAGGED)
    front = PrefixCache(0).get(model, probes.rows[0][:_FRONT], None)
    if front is None:
        return False
    size = (len(_RAGGED), max(_RAGGED) + _STEPS)
    with ragged_attention.installed(model):
        return all(probes.agree(RaggedDecoder(model, None, some, *size), _FIRST) for some in (front, None))


def writes_remembered(model: Any) -> bool:
    """Whether rows of one length can be continued side by side in the model's own cache."""
    return _Probes(model, _EVEN).agree(EvenDecoder(model, None, None), len(_EVEN))


class _Probes:
    """Rows, and what the model says behind each of their ids when it reads them alone and whole."""

    @torch.no_grad()
    def __init__(self, model: Any, lengths: Sequence[int]) -> None:
        self._model, self._lengths = model, lengths
        size = int(model.config.get_text_config().vocab_size)
        self.rows: list[Ids] = [_probe(size, number, length + _STEPS) for number, length in enumerate(lengths)]
        whole = [model(input_ids=torch.tensor([row], device=model.device), use_cache=False) for row in self.rows]
        self._wanted = [output.logits[0].float().log_softmax(-1) for output in whole]

    @torch.no_grad()
    def agree(self, decoder: Decoder, first: int) -> bool:
        """Whether the decoder says the same; one that the model gives no sensible inputs does not."""
        try:
            return self._agree(decoder, first)
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError):
            return False

    def _agree(self, decoder: Decoder, first: int) -> bool:
        there = list(range(first))
        read = list(self._lengths)
        if not self._are_close(self._join(decoder, there), there, read):
            return False
        for step in range(_STEPS):
            for number in there:
                read[number] += 1
            logits = decoder.step([self.rows[number][read[number] - 1] for number in there])
            if not self._are_close(logits, there, read):
                return False
            decoder.leave([1])
            swap_out(there, 1)
            if step == 0 and first < len(self.rows):
                later = list(range(first, len(self.rows)))
                if not self._are_close(self._join(decoder, later), later, read):
                    return False
                there += later
        return True

    def _join(self, decoder: Decoder, numbers: Sequence[int]) -> torch.Tensor:
        return decoder.join([Opening(self.rows[number][: self._lengths[number]]) for number in numbers])

    def _are_close(self, found: torch.Tensor, numbers: Sequence[int], read: Sequence[int]) -> bool:
        wanted = torch.stack([self._wanted[number][read[number] - 1] for number in numbers])
        off = (found.log_softmax(-1) - wanted).abs() / wanted.abs().clamp(min=1)
        return bool(off.max() < _CLOSE if self._model.dtype.itemsize >= _FULL else off.mean() < _CLOSE_ON_AVERAGE)


def _probe(vocabulary: int, number: int, length: int) -> Ids:
    shared = [(7 * i * i + 11 * i + 3) % vocabulary for i in range(_FRONT)]
    return shared + [(5 * i * i + 13 * i + 17 * number + 1) % vocabulary for i in range(length - _FRONT)]
