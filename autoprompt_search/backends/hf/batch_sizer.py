"""How much of a model's device one forward pass may fill: learned from what batches took. Knows bytes, no prompts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import torch

from autoprompt_search.backends.hf.batching import PassCost
from autoprompt_search.core.errors import TrialError

Shared = TypeVar("Shared")

_SHARE = 0.9
"""Share of the free memory that a batch is planned to take."""
_FIRST = 8192
"""Positions of the first batch, from which the memory of others is told."""


class Meter(Protocol):
    """What a device says about its memory."""

    def free(self) -> int:
        """Bytes that could still be taken."""
        ...

    def start(self) -> int:
        """Bytes in use now; the peak is counted from here on."""
        ...

    def peak(self) -> int:
        """Bytes in use at most since `start`."""
        ...

    def release(self) -> None:
        """Give back what is held in reserve."""
        ...


class CudaMeter:
    """Memory of one CUDA device, as torch's allocator counts it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def free(self) -> int:
        """See `Meter.free`. What the allocator holds and does not use counts as free."""
        reserve = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return torch.cuda.mem_get_info(self._device)[0] + reserve

    def start(self) -> int:
        """See `Meter.start`."""
        torch.cuda.reset_peak_memory_stats(self._device)
        return torch.cuda.memory_allocated(self._device)

    def peak(self) -> int:
        """See `Meter.peak`."""
        return torch.cuda.max_memory_allocated(self._device)

    def release(self) -> None:
        """See `Meter.release`."""
        torch.cuda.empty_cache()


class BatchSizer:
    """The largest batch of one model in this process. What was learned stays as long as the process.

    Where the device can be asked, every batch's peak is measured, and no batch is planned that would not fit
    by that measure. Where memory runs out all the same, batches are half of the failed one from then on.

    Args:
        meter: Of the model's device; None where nothing is known of it (CPU).
        passes: What a forward pass of the model costs beside its positions.
    """

    def __init__(self, meter: Meter | None = None, passes: PassCost | None = None) -> None:
        self._meter = meter
        self.passes = passes or PassCost()
        self._limit: int | None = None
        self.peak = 0
        """Bytes that the hungriest batch took."""
        self.per_position = 0.0
        """Bytes that a position of a batch took at most."""

    def positions(self, wanted: int) -> int:
        """How many positions a batch may have when `wanted` would be best."""
        if self._limit is not None:
            wanted = min(wanted, self._limit)
        if self._meter is not None and not self.per_position:
            wanted = min(wanted, _FIRST)
        if self._meter is not None and self.per_position:
            wanted = min(wanted, int(_SHARE * self._meter.free() / self.per_position))
        return wanted

    @contextmanager
    def measured(self, positions: int) -> Iterator[None]:
        """Around the forward pass of a batch of so many positions."""
        if self._meter is None:
            yield
            return
        before = self._meter.start()
        yield
        took = self._meter.peak() - before
        self.peak = max(self.peak, took)
        self.per_position = max(self.per_position, took / positions)

    def failed(self, positions: int) -> None:
        """A batch of so many positions did not fit."""
        self._limit = min(positions // 2, self._limit or positions)
        if self._meter is not None:
            self._meter.release()


def sizer_on(device: torch.device, width: int) -> BatchSizer:
    """A sizer for a model of this width on this device, which has learned nothing yet."""
    return BatchSizer(CudaMeter(device) if device.type == "cuda" else None, PassCost.of(device, width))


def out_of_memory(exc: RuntimeError) -> bool:
    """Whether an exception means that memory ran out."""
    return isinstance(exc, torch.OutOfMemoryError) or "can't allocate memory" in str(exc)


def within_memory(compute: Callable[[], Shared]) -> Shared:
    """What all prompts of a call need; `TrialError` where memory is too small for it."""
    try:
        return compute()
    except RuntimeError as exc:
        if out_of_memory(exc):
            raise TrialError("out of memory while reading what the prompts share") from exc
        raise
