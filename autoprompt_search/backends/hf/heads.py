"""The language-model head at the places that are asked for, and states that are remembered in front of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from autoprompt_search.backends.hf.scoring import Row, Unit

_SAME = 1e-3
"""Largest difference between logits from a model and from its remembered states, relative above one."""


@dataclass(frozen=True, slots=True)
class Heads:
    """What the head saw and said at some spots."""

    states: torch.Tensor | None
    """[spots, width]: the head's input; None where the head is no module of its own."""
    logits: torch.Tensor
    """[spots, vocabulary] float32, with all that the model does after its head."""


def head_at(model: Any, where: torch.Tensor, inputs: dict[str, Any]) -> Heads:
    """Run the model, its head only at `where` [spots, 2]: row and position; differentiable.

    A hook in front of the head picks the positions, so that whatever a model does after its head
    (soft-capping, scaling) stays in place; `logits_to_keep` differs between models and versions.
    """
    seen: list[torch.Tensor] = []

    def pick(_module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        seen.append(args[0][where[:, 0], where[:, 1]])
        return (seen[0].unsqueeze(0), *args[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(pick)
    try:
        logits = model(**inputs).logits
    finally:
        handle.remove()
    if not seen:
        return Heads(None, logits[where[:, 0], where[:, 1]].float())
    return Heads(seen[0], logits[0].float())


class HiddenStateCache:
    """HiddenStateCache at answer places by what the model had read, the most recent within a number of bytes.

    With them another verbalizer costs a product with the head's rows of its words, not a forward pass.
    """

    def __init__(self, limit: int, *, one_way: bool) -> None:
        self.one_way = one_way
        """Whether a state depends on what stands before it only."""
        self._limit, self._bytes = limit, 0
        self._kept: OrderedDict[tuple[str, bytes], tuple[torch.Tensor, float]] = OrderedDict()
        self._is_exact: bool | None = None

    def keep(self, model: Any, rows: Sequence[Row], places: Sequence[tuple[int, int]], found: Heads, soft: str) -> None:
        """Remember the states of these (row, place) spots; nothing of a model whose logits they do not give."""
        if found.states is None or not self._limit:
            return
        if self._is_exact is None:
            self._is_exact = _agrees(model, found)
        if not self._is_exact:
            return
        states, normalisers = found.states.detach().cpu(), found.logits.logsumexp(-1).cpu().tolist()
        for (row, position), state, normaliser in zip(places, states, normalisers, strict=True):
            key = (soft, rows[row].seen(position, self.one_way))
            if key not in self._kept:
                self._bytes += state.numel() * state.element_size()
            self._kept[key] = (state.clone(), normaliser)
        while self._bytes > self._limit:
            _, (state, _) = self._kept.popitem(last=False)
            self._bytes -= state.numel() * state.element_size()

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self._bytes = 0

    def values(self, model: Any, unit: Unit, soft: str) -> torch.Tensor | None:
        """[wants of the unit's rows] log-probabilities; None unless every state is known."""
        keys = [(soft, row.seen(want.place, self.one_way)) for row in unit for want in row.wants]
        if any(key not in self._kept for key in keys):
            return None
        for key in keys:
            self._kept.move_to_end(key)
        states = torch.stack([self._kept[key][0] for key in keys]).to(model.device)
        tokens = torch.tensor([want.token for row in unit for want in row.wants], device=model.device)
        normalisers = torch.tensor([self._kept[key][1] for key in keys])
        with torch.no_grad():
            return _logits(model, states, tokens).cpu() - normalisers


def _logits(model: Any, states: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """[n] float32: the logit of token i after state i, with what common models do after their heads."""
    head, config = model.get_output_embeddings(), model.config.get_text_config()
    logits = (states * head.weight[tokens]).sum(-1).float()
    if getattr(head, "bias", None) is not None:
        logits = logits + head.bias[tokens].float()
    if getattr(model, "final_logits_bias", None) is not None:
        logits = logits + model.final_logits_bias[0, tokens].float()
    cap = getattr(config, "final_logit_softcapping", None)
    return torch.tanh(logits / cap) * cap if cap else logits  # type: ignore[no-any-return]


def _agrees(model: Any, found: Heads) -> bool:
    """Whether `_logits` gives what the model gave."""
    wanted = found.logits[0, :64]
    ids = torch.arange(len(wanted), device=wanted.device)
    states = found.states[:1].expand(len(ids), -1) if found.states is not None else torch.empty(0)
    return bool(((_logits(model, states, ids) - wanted).abs() / wanted.abs().clamp(min=1) < _SAME).all())


def token_logprobs(
    model: Any,
    rows: Sequence[Row],
    shift: int,
    inputs: dict[str, Any],
    *,
    states: HiddenStateCache | None = None,
    soft: str = "",
) -> torch.Tensor:
    """[wants of all rows] float32 log-probabilities over the whole vocabulary, in order; differentiable.

    Args:
        model: A model with a language-model head.
        rows: What to read.
        shift: Where a row's id 0 stands in the model's output.
        inputs: Arguments of the forward pass, row by row.
        states: Where to remember what the head saw.
        soft: Digest of the soft prompt at work.
    """
    spots = [(r, want.place) for r, row in enumerate(rows) for want in row.wants]
    unique = {spot: number for number, spot in enumerate(dict.fromkeys(spots))}
    output = head_at(model, torch.tensor([(r, p + shift) for r, p in unique], device=model.device), inputs)
    if states is not None:
        states.keep(model, rows, list(unique), output, soft)
    pick = torch.tensor([unique[spot] for spot in spots], device=output.logits.device)
    token = torch.tensor([want.token for row in rows for want in row.wants], device=output.logits.device)
    return output.logits[pick, token] - output.logits.logsumexp(-1)[pick]


@torch.no_grad()
def distribution(model: Any, rows: Sequence[Row], inputs: dict[str, Any]) -> torch.Tensor:
    """[rows, vocabulary] float32 log-probabilities at each row's first want, on the CPU."""
    where = torch.tensor([(r, min(w.place for w in row.wants)) for r, row in enumerate(rows)], device=model.device)
    return head_at(model, where, inputs).logits.log_softmax(-1).cpu()
