"""Steps of trainings that run in threads of their own, taken in one forward and one backward pass. Nobody waits long.

A thread that asks for numbers waits for the others that are training, for about as long as a few steps take; whoever
comes last, or has waited enough, takes the step for all that are there. The same again where gradients are asked for.
A training that ends, fails or is slow is missed once and then not waited for; a lone one never waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from autoprompt_search.core.protocols.tuning import Asked, TunesTogether

_LEAST, _MOST = 0.25, 10.0
"""Seconds that a thread waits for others, whatever a step took. Only who ends without a word is waited for in vain."""
_STEPS = 4
"""Otherwise as long as so many passes: between two steps every trial does its own part, all of them in one process."""


@dataclass(eq=False)
class _Ticket:
    """What one thread asks, and the answer it waits for."""

    asked: Asked
    thread: int
    answer: torch.Tensor | None = None
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.answer is not None or self.error is not None


class StepBatcher:
    """Where threads that train meet.

    Args:
        model: Takes the steps.
        device: Held while it computes: whoever else uses the model takes it, too.
    """

    def __init__(self, model: TunesTogether, device: threading.Lock) -> None:
        self._model, self.device = model, device
        self._door = threading.Condition()
        self._training: set[int] = set()
        """Threads that are waited for."""
        self._waiting: list[_Ticket] = []
        self._is_busy = False
        self.patience = _LEAST
        self.sizes: list[int] = []
        """Trainings in each of the last steps."""

    def ask(self, asked: Asked) -> torch.Tensor:
        """`Tunes.answer_logliks`, on the CPU: there each thread's gradient is its own thread's work."""
        ticket = _Ticket(asked, threading.get_ident())
        with self._door:
            self._training.add(ticket.thread)
            self._waiting.append(ticket)
            self._door.notify_all()
            batch = self._turn(ticket)
        if batch:
            self._take(batch)
        if ticket.error is not None:
            raise ticket.error
        if ticket.answer is None:
            raise RuntimeError("a step ended without an answer")
        return ticket.answer

    def leave(self) -> None:
        """This thread does something else now: nobody waits for it."""
        with self._door:
            self._training.discard(threading.get_ident())
            self._door.notify_all()

    def spent(self, seconds: float) -> None:
        """A step took so long: others may need as long to come back."""
        self.patience = min(_MOST, max(_LEAST, _STEPS * seconds))

    def _turn(self, ticket: _Ticket) -> list[_Ticket]:
        """Wait until the question is answered ([]), or until it is this thread's turn to answer all of them."""
        deadline = time.monotonic() + self.patience
        while not ticket.is_done:
            here = {one.thread for one in self._waiting}
            is_late = time.monotonic() >= deadline
            if not self._is_busy and ticket in self._waiting and (here >= self._training or is_late):
                batch, self._waiting, self._is_busy = self._waiting, [], True
                self._training = here
                return batch
            self._door.wait(
                0.5 if self._is_busy or ticket not in self._waiting else max(0.0, deadline - time.monotonic())
            )
        return []

    def _take(self, batch: list[_Ticket]) -> None:
        began = time.monotonic()
        try:
            with self.device:
                self._answer(batch)
        finally:
            self.sizes = [*self.sizes[-99:], len(batch)]
            with self._door:
                for ticket in batch:
                    if not ticket.is_done:
                        ticket.error = RuntimeError("the thread that took this step was stopped")
                self._is_busy = False
                self.spent(time.monotonic() - began)
                self._door.notify_all()

    def _answer(self, batch: Sequence[_Ticket]) -> None:
        """All at once; in halves where memory is too small; each alone where one of them cannot be answered."""
        try:
            self._pass(batch)
        except torch.OutOfMemoryError as exc:
            if len(batch) == 1:
                batch[0].error = exc
                return
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._answer(batch[: len(batch) // 2])
            self._answer(batch[len(batch) // 2 :])
        except Exception as exc:  # noqa: BLE001 - raised again in the thread that asked
            if len(batch) == 1:
                batch[0].error = exc
                return
            for ticket in batch:
                self._answer([ticket])

    def _pass(self, batch: Sequence[_Ticket]) -> None:
        with torch.enable_grad():
            leaves = [ticket.asked.soft.detach().requires_grad_() for ticket in batch]
            asked = [replace(t.asked, soft=leaf) for leaf, t in zip(leaves, batch, strict=True)]
            logliks = self._model.answer_logliks_together(asked)
        flat = torch.cat([values.detach().flatten() for values in logliks]).cpu()  # one wait for the device, not many
        group = _Group(self, leaves, logliks)
        for number, (ticket, values) in enumerate(zip(batch, flat.split([m.numel() for m in logliks]), strict=True)):  # type: ignore[no-untyped-call]
            with torch.enable_grad():
                ticket.answer = _Answer.apply(ticket.asked.soft, values.view(logliks[number].shape), group, number)  # type: ignore[no-untyped-call]


@dataclass(eq=False)
class _Group:
    """Trainings whose numbers came from one forward pass, on their way to gradients."""

    meeting: StepBatcher
    leaves: list[torch.Tensor]
    made: list[torch.Tensor]
    door: threading.Condition = field(default_factory=threading.Condition)
    given: dict[int, torch.Tensor] = field(default_factory=dict)
    """Gradients with respect to the numbers, of members that wait."""
    found: dict[int, torch.Tensor | BaseException] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)
    is_busy: bool = False

    def gradient(self, number: int, given: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the vectors of one member.

        It is computed without the others where they do not come in time.
        """
        with self.door:
            self.given[number] = given
            self.asked.add(number)
            self.door.notify_all()
            batch = self._turn(number)
        if batch:
            self._take(batch)
        result = self.found.pop(number)
        if isinstance(result, BaseException):
            raise result
        return result

    def _turn(self, number: int) -> dict[int, torch.Tensor]:
        deadline = time.monotonic() + self.meeting.patience
        while number not in self.found:
            is_late = time.monotonic() >= deadline
            if not self.is_busy and number in self.given and (len(self.asked) == len(self.leaves) or is_late):
                batch, self.given, self.is_busy = self.given, {}, True
                return batch
            self.door.wait(0.5 if self.is_busy or number not in self.given else max(0.0, deadline - time.monotonic()))
        return {}

    def _take(self, batch: dict[int, torch.Tensor]) -> None:
        numbers, began = list(batch), time.monotonic()
        outcomes: dict[int, torch.Tensor | BaseException]
        try:
            with self.meeting.device:
                outcomes = dict(zip(numbers, self._gradients(batch), strict=True))
        except BaseException as exc:  # noqa: BLE001 - raised again in the threads that asked
            outcomes = dict.fromkeys(numbers, exc)
        with self.door:
            self.found |= outcomes
            self.is_busy = False
            self.door.notify_all()
        self.meeting.spent(time.monotonic() - began)

    def _gradients(self, batch: dict[int, torch.Tensor]) -> Sequence[torch.Tensor]:
        device = self.made[0].device
        flat = torch.cat([given.flatten() for given in batch.values()]).to(device)
        sizes = [given.numel() for given in batch.values()]
        grads = [g.view_as(self.made[n]) for n, g in zip(batch, flat.split(sizes), strict=True)]  # type: ignore[no-untyped-call]
        # Kept while somebody may still come: the numbers of all went through the same pass.
        is_last = len(self.asked) == len(self.leaves)
        outputs, inputs = [self.made[n] for n in batch], [self.leaves[n] for n in batch]
        return torch.autograd.grad(outputs, inputs, grads, retain_graph=not is_last)


class _Answer(torch.autograd.Function):
    """Numbers that were computed for all, and their way back.

    They stand on the CPU, because gradients of CPU tensors are the calling thread's work: those of a GPU's are all one
    thread's, in which the first to wait would keep the others from coming.
    """

    @staticmethod
    def forward(ctx: Any, soft: torch.Tensor, values: torch.Tensor, group: _Group, number: int) -> torch.Tensor:  # noqa: ARG004
        """The numbers of the batch that this thread's question is part of."""
        ctx.group, ctx.number = group, number
        return values.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, given: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        """The gradient with respect to this training's own vectors."""
        return ctx.group.gradient(ctx.number, given), None, None, None
