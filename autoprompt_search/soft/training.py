"""The one way soft prompts are trained, whatever makes their vectors. Knows the `Tunes` seam, no model class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from torch import nn

from autoprompt_search.core.errors import ConfigError, TrialError
from autoprompt_search.core.fingerprint import fingerprint, sha256_bytes
from autoprompt_search.core.nesting import EXCLUSIVE, nested
from autoprompt_search.core.prompts import SoftPosition, SoftPrompt
from autoprompt_search.core.protocols.tuning import Fitted, TrainsTexts, TrainsVectors, TuneData, Tunes
from autoprompt_search.core.rng import derive_rng, derive_seed
from autoprompt_search.core.signatures import complete
from autoprompt_search.soft import checkpoint
from autoprompt_search.soft.checkpoint import TrainState
from autoprompt_search.soft.inits import rms, start
from autoprompt_search.soft.options import EmbeddingOptions, TrainingOptions
from autoprompt_search.soft.parameters import Form, pace

_CLIP = 1.0
_WARM_UP = 0.06
"""Share of `steps` over which the learning rate rises to its constant value."""
_GRID = 16
"""Every training keeps its vectors about this many times, so that any call can return an earlier snapshot."""
_LOSS_STEPS = 10
"""Steps that `Fitted.loss` is the mean of."""
_DRAWING = Lock()
"""Networks draw from torch's one global generator."""


@dataclass(frozen=True, slots=True)
class Training:
    """One method at work; implements `SoftMethod`."""

    method: str
    seed: int
    """Seed of the batches, of drawn initial vectors and of networks."""
    lr: float
    """Learning rate in units of the RMS of the embedding table; for prefixes, of the initial keys and values."""
    options: TrainingOptions
    """All of them, defaults included."""
    place: SoftPosition
    form: Form
    """Makes what is trained from the initial vectors."""
    own: tuple[Any, ...] = ()
    """The method's own options: part of what a checkpoint is known by."""

    @property
    def steps(self) -> int:
        """See `SoftMethod.steps`."""
        return self.options["steps"]

    def fit(self, model: Tunes, data: TuneData, *, until: int, folder: Path | None) -> Fitted:
        """Train up to step `until` in all. The loss is the cross-entropy over labels, where probabilities of one
        label's answers add; of texts it is the mean over all their tokens in a batch, as in transformers and PEFT,
        with the token that ends a text. Gradients are clipped to norm 1; what is trained is float32 whatever the
        model's own format.

        Snapshots are the initial vectors, so that the text they began as can win, those after about three quarters
        of `until`, and those at `until`: that depends on `until` alone, never on where an earlier call ended. The
        start costs the caller one look at each example of dev in all, since it is the same one at every rung.
        A checkpoint that is further on already is not trained again.

        Raises:
            TrialError: The loss or its gradient is not finite; names step, loss and rate.
        """
        until = max(1, until)
        schedule = {**self.options, "seed": self.seed, "lr": self.lr}
        trained = (self.method, model.fingerprint, schedule, self.place, self.own, data)
        key = fingerprint((*trained, EXCLUSIVE) if nested(data.answers) else trained)
        stored = checkpoint.read(folder, key) if folder is not None else None
        usable = stored is not None and (stored.step <= until or until in stored.history)
        state = stored if stored is not None and usable else self._start(model, data, key)
        before = state.step
        if before < until:
            self._train(model, data, state, until)
            if folder is not None and (stored is None or stored.step <= until):
                checkpoint.write(folder, state)
        place = replace(self.place, replaces=state.replaces)
        taken = [state.history[step] for step in self._snapshot_steps(until)]
        losses = state.losses[max(0, until - _LOSS_STEPS) : until]
        return Fitted(
            tuple(_packed(self.method, model, vectors, place) for vectors in taken),
            3 * min(self.options["batch_size"], len(data.prompts)) * max(0, until - before),
            sum(losses) / len(losses),
        )

    def _start(self, model: Tunes, data: TuneData, key: str) -> TrainState:
        begun = start(self.options["init"], model, data, self.place, self.options["tokens"], self.seed)
        vectors = begun.vectors.detach().float()
        unit = rms(vectors if self.place.kind == "prefix" else model.embedding_table())
        parameters = dict(self._module(vectors, unit).state_dict())
        return TrainState(key, unit, begun.place.replaces, parameters, history={0: vectors.cpu().clone()})

    def _module(self, vectors: torch.Tensor, unit: float) -> nn.Module:
        """A module on the vectors' device, the same for the same seed, whatever other threads draw."""
        with _DRAWING, torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(self.seed, "soft-network"))
            return self.form(vectors.cpu(), unit).to(vectors.device)

    def _train(self, model: Tunes, data: TuneData, state: TrainState, until: int) -> None:
        device = model.embed_tokens(data.init_text).device
        module = self._module(state.history[0].to(device), state.unit)
        module.load_state_dict(state.parameters)
        trained = list(module.parameters())
        rates = [self.lr * pace(name, p, state.unit) for name, p in module.named_parameters()]
        optimizer = _optimizer(self.options, trained, rates)
        _restore(optimizer, state.optimizer)
        place = replace(self.place, replaces=state.replaces)
        every, fit = max(1, self.steps // _GRID), _loss_of(model, data, place)
        for step in range(state.step, until):
            loss = _backward(module, self._batch(step, len(data.prompts)), fit)
            norm = torch.nn.utils.clip_grad_norm_(trained, _CLIP)
            if not (torch.isfinite(norm) and torch.isfinite(torch.tensor(loss))):
                raise TrialError(f"soft prompt: the loss is not finite at step {step + 1} (loss {loss}, lr {self.lr})")
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * min(1.0, (step + 1) / max(1.0, _WARM_UP * self.steps))
            optimizer.step()
            optimizer.zero_grad()
            state.losses.append(loss)
            if state.step % every == 0 or state.step == until:
                with torch.no_grad():
                    state.history[state.step] = module().detach().cpu().clone()
        state.parameters = dict(module.state_dict())
        state.optimizer = _kept(optimizer)

    def _snapshot_steps(self, until: int) -> list[int]:
        every = max(1, self.steps // _GRID)
        return sorted({0, until * 3 // 4 // every * every, until})

    def _batch(self, step: int, count: int) -> list[int]:
        """Places in an endless row of seeded permutations, one per epoch: `step` alone decides."""
        size = min(self.options["batch_size"], count)
        wanted = range(step * size, (step + 1) * size)
        orders = {epoch: self._order(epoch, count) for epoch in {index // count for index in wanted}}
        return [orders[index // count][index % count] for index in wanted]

    def _order(self, epoch: int, count: int) -> list[int]:
        order = list(range(count))
        derive_rng(self.seed, "soft-batches", epoch).shuffle(order)
        return order


def embedding_training(
    method: str, seed: int, options: EmbeddingOptions, form: Form, own: tuple[Any, ...] = ()
) -> Training:
    """The training of vectors that stand among the embeddings of the prompt's tokens."""
    given = complete(EmbeddingOptions, options)
    place, shared = SoftPosition(given["placement"]), complete(TrainingOptions, options)
    return Training(method, seed, given["lr"], shared, place, form, own)


def label_logliks(logliks: torch.Tensor, groups: Sequence[int]) -> torch.Tensor:
    """[prompts, labels] from [prompts, answers]: probabilities of one label's answers add."""
    columns = [[a for a, group in enumerate(groups) if group == label] for label in range(max(groups) + 1)]
    return torch.stack([logliks[:, column].logsumexp(1) for column in columns], 1)


def _optimizer(options: TrainingOptions, trained: list[nn.Parameter], rates: list[float]) -> torch.optim.Optimizer:
    """Adafactor as in Lester et al.: a constant rate, neither relative to the step nor to the parameters' scale.

    Torch's own Adafactor ties its rate to both, and neither can be switched off.
    """
    groups = [{"params": [parameter], "lr": rate} for parameter, rate in zip(trained, rates, strict=True)]
    if options["optimizer"] == "adamw":
        return torch.optim.AdamW(groups, weight_decay=options["weight_decay"], foreach=False)
    from transformers.optimization import Adafactor

    return Adafactor(  # type: ignore[no-any-return, no-untyped-call, unused-ignore]
        groups, scale_parameter=False, relative_step=False, weight_decay=options["weight_decay"]
    )


def _kept(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """The optimiser's state by `<parameter number>.<name>`, every value a tensor."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(v) for i, values in state.items() for name, v in values.items()}


def _restore(optimizer: torch.optim.Optimizer, kept: dict[str, torch.Tensor]) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for whole, value in kept.items():
        number, _, name = whole.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


Loss = Callable[[torch.Tensor, list[int], list[int]], torch.Tensor]
"""Vectors, rows of a part of a batch and those of the whole batch to the part's share of the batch's mean loss."""


def _loss_of(model: Tunes, data: TuneData, place: SoftPosition) -> Loss:
    return _of_texts(model, data, place) if data.texts else _of_labels(model, data, place)


def _of_labels(model: TrainsVectors, data: TuneData, place: SoftPosition) -> Loss:
    def loss(vectors: torch.Tensor, part: list[int], rows: list[int]) -> torch.Tensor:
        logliks = model.answer_logliks(vectors, place, [data.prompts[i] for i in part], data.answers)
        targets = torch.tensor([data.targets[i] for i in part], device=logliks.device)
        sums = label_logliks(logliks, data.groups)
        return torch.nn.functional.cross_entropy(sums, targets, reduction="sum") / len(rows)

    return loss


def _of_texts(model: object, data: TuneData, place: SoftPosition) -> Loss:
    if not isinstance(model, TrainsTexts):
        raise ConfigError("backend.type: it gives no gradients of texts, and this soft prompt is trained on texts")
    texts: TrainsTexts = model
    counts = texts.text_tokens(data.prompts, data.texts, ends=data.ends)

    def loss(vectors: torch.Tensor, part: list[int], rows: list[int]) -> torch.Tensor:
        asked, answers = [data.prompts[i] for i in part], [data.texts[i] for i in part]
        logliks: torch.Tensor = texts.text_logliks(vectors, place, asked, answers, ends=data.ends)
        return -logliks.sum() / sum(counts[i] for i in rows)

    return loss


def _backward(module: nn.Module, rows: list[int], fit: Loss) -> float:
    """Mean loss of `rows`, its gradient left in the module; halves the batch where memory is too small for it."""
    vectors = module()
    leaf = vectors.detach().requires_grad_()
    parts, total, gradient = [rows], 0.0, torch.zeros_like(leaf)
    while parts:
        part = parts.pop()
        try:
            loss = fit(leaf, part, rows)
            gradient += torch.autograd.grad(loss, leaf)[0]
            total += float(loss.detach())
        except torch.OutOfMemoryError as exc:
            if len(part) == 1:
                raise TrialError("soft prompt: out of memory on a batch of one prompt") from exc
            parts += [part[len(part) // 2 :], part[: len(part) // 2]]
    vectors.backward(gradient)
    return total


def _packed(method: str, model: TrainsVectors, vectors: torch.Tensor, place: SoftPosition) -> SoftPrompt:
    adapter = model.adapter(vectors, place)
    digest = sha256_bytes(adapter.weights)
    return SoftPrompt(method, len(vectors), model.fingerprint, adapter.weights, digest, dict(adapter.config), place)
