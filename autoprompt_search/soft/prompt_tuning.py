"""Prompt tuning: trained vectors in front of a frozen model. Knows the `Tunes` seam, no model class and no search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from safetensors.torch import save

from autoprompt_search.core.errors import TrialError
from autoprompt_search.core.fingerprint import fingerprint, sha256_bytes
from autoprompt_search.core.protocols import Fitted, TuneData, Tunes
from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.types import SoftPrompt
from autoprompt_search.soft import checkpoint
from autoprompt_search.soft.checkpoint import TrainState
from autoprompt_search.soft.inits import Init, embedding_rms, initial_vectors

METHOD = "prompt-tuning"

_CLIP = 1.0
_WARM_UP = 0.06
"""Share of `steps` over which the learning rate rises to its constant value."""
_GRID = 16
"""Every training keeps its vectors about this many times, so that any call can return an earlier snapshot."""
_LOSS_STEPS = 10
"""Steps that `Fitted.loss` is the mean of."""


class PromptTuning:
    """Prompt tuning (Lester et al. 2021, arXiv 2104.08691) with AdamW; implements `SoftMethod`.

    The loss is the cross-entropy over labels, where the probabilities of one label's answers add.
    Gradients are clipped to norm 1; the vectors are float32 whatever the model's own format.

    Args:
        seed: Of the batches and of drawn initial vectors; injected, not an option of the user.
        tokens: Length of the soft prompt.
        init: `text` repeats or cuts the template's own words to `tokens`; with exactly that many tokens step 0
            equals those words written in front of the prompt. `vocabulary` draws frequent tokens, `labels`
            starts with the label words, `random` is normal noise of the embeddings' size.
        lr: Step size in units of the RMS of the embedding table: one range serves all model families.
        steps: Of the whole training.
        batch_size: Prompts per step.
        weight_decay: Decoupled, as in AdamW.
    """

    def __init__(
        self,
        *,
        seed: int,
        tokens: Annotated[int, Field(ge=1)] = 16,
        init: Init = "text",
        lr: Annotated[float, Field(gt=0)] = 0.3,
        steps: Annotated[int, Field(ge=1)] = 100,
        batch_size: Annotated[int, Field(ge=1)] = 16,
        weight_decay: Annotated[float, Field(ge=0)] = 0.0,
    ) -> None:
        self.seed = seed
        self.tokens = tokens
        self.init: Init = init
        self.lr = lr
        self.steps = steps
        self.batch_size = batch_size
        self.weight_decay = weight_decay

    def fit(self, model: Tunes, data: TuneData, *, until: int, folder: Path | None) -> Fitted:
        """See `SoftMethod.fit`. Two snapshots, after three quarters of `until` and at `until`.

        Where they are taken depends on `until` alone, never on where an earlier call ended. A checkpoint that
        is further on already is not trained again.

        Raises:
            TrialError: The loss or its gradient is not finite; names the step.
        """
        until = max(1, until)
        key = self._key(model, data)
        found = checkpoint.read(folder, key) if folder is not None else None
        usable = found is not None and (found.step <= until or until in found.history)
        state = found if found is not None and usable else self._start(model, data, key)
        before = state.step
        if before < until:
            self._train(model, data, state, until)
            if folder is not None and (found is None or found.step <= until):
                checkpoint.write(folder, state)
        adapter = dict(model.adapter_config(self.tokens))
        taken = [state.history[step] for step in self._snapshot_steps(until)]
        losses = state.losses[max(0, until - _LOSS_STEPS) : until]
        return Fitted(
            tuple(_packed(vectors, model.fingerprint, adapter) for vectors in taken),
            3 * min(self.batch_size, len(data.prompts)) * max(0, until - before),
            sum(losses) / len(losses),
        )

    def _key(self, model: Tunes, data: TuneData) -> str:
        options = (self.seed, self.tokens, self.init, self.lr, self.steps, self.batch_size, self.weight_decay)
        return fingerprint((METHOD, model.fingerprint, options, data))

    def _start(self, model: Tunes, data: TuneData, key: str) -> TrainState:
        soft = initial_vectors(self.init, model, data, self.tokens, self.seed)
        return TrainState(key, embedding_rms(model), soft, (torch.zeros_like(soft), torch.zeros_like(soft)))

    def _train(self, model: Tunes, data: TuneData, state: TrainState, until: int) -> None:
        device = model.embed_tokens(data.init_text).device
        soft = state.soft.detach().to(device, copy=True).requires_grad_()
        rate = self.lr * state.rms
        optimiser = torch.optim.AdamW([soft], lr=rate, weight_decay=self.weight_decay, foreach=False)
        first, second = (moment.to(device, copy=True) for moment in state.moments)
        optimiser.state[soft] = {"step": torch.tensor(float(state.step)), "exp_avg": first, "exp_avg_sq": second}
        every = max(1, self.steps // _GRID)
        for step in range(state.step, until):
            loss, soft.grad = _gradient(model, soft, data, self._batch(step, len(data.prompts)))
            norm = torch.nn.utils.clip_grad_norm_([soft], _CLIP)
            if not (torch.isfinite(norm) and torch.isfinite(torch.tensor(loss))):
                raise TrialError(f"soft prompt: the loss is not finite at step {step + 1} (loss {loss}, lr {self.lr})")
            optimiser.param_groups[0]["lr"] = rate * self._warm_up(step)
            optimiser.step()
            state.losses.append(loss)
            if state.step % every == 0 or state.step == until:
                state.history[state.step] = soft.detach().cpu().clone()
        state.soft, state.moments = soft.detach(), (first, second)

    def _snapshot_steps(self, until: int) -> list[int]:
        every = max(1, self.steps // _GRID)
        middle = until * 3 // 4 // every * every
        return [middle, until] if middle > 0 else [until]

    def _warm_up(self, step: int) -> float:
        return min(1.0, (step + 1) / max(1.0, _WARM_UP * self.steps))

    def _batch(self, step: int, count: int) -> list[int]:
        """Places in an endless row of seeded permutations, one per epoch: `step` alone decides."""
        size = min(self.batch_size, count)
        wanted = range(step * size, (step + 1) * size)
        orders = {epoch: self._order(epoch, count) for epoch in {place // count for place in wanted}}
        return [orders[place // count][place % count] for place in wanted]

    def _order(self, epoch: int, count: int) -> list[int]:
        order = list(range(count))
        derive_rng(self.seed, "soft-batches", epoch).shuffle(order)
        return order


def label_logliks(logliks: torch.Tensor, groups: Sequence[int]) -> torch.Tensor:
    """[prompts, labels] from [prompts, answers]: probabilities of one label's answers add."""
    columns = [[a for a, group in enumerate(groups) if group == label] for label in range(max(groups) + 1)]
    return torch.stack([logliks[:, column].logsumexp(1) for column in columns], 1)


def _gradient(model: Tunes, soft: torch.Tensor, data: TuneData, rows: list[int]) -> tuple[float, torch.Tensor]:
    """Mean loss of `rows` and its gradient; halves the batch where memory is too small for it."""
    parts, total, gradient = [rows], 0.0, torch.zeros_like(soft)
    while parts:
        part = parts.pop()
        try:
            logliks = model.answer_logliks(soft, [data.prompts[i] for i in part], data.answers)
            targets = torch.tensor([data.targets[i] for i in part], device=logliks.device)
            sums = label_logliks(logliks, data.groups)
            loss = torch.nn.functional.cross_entropy(sums, targets, reduction="sum") / len(rows)
            gradient += torch.autograd.grad(loss, soft)[0]
            total += float(loss.detach())
        except torch.OutOfMemoryError as exc:
            if len(part) == 1:
                raise TrialError("soft prompt: out of memory on a batch of one prompt") from exc
            parts += [part[len(part) // 2 :], part[: len(part) // 2]]
    return total, gradient


def _packed(vectors: torch.Tensor, base_model: str, adapter: dict[str, str | int | float | bool | None]) -> SoftPrompt:
    weights = save({"prompt_embeddings": vectors.contiguous()}, metadata={"format": "pt"})
    return SoftPrompt(METHOD, len(vectors), base_model, weights, sha256_bytes(weights), adapter)
