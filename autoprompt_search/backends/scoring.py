"""Log-likelihoods of given continuations: rows, batches, the answer positions only. Knows ids, not texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from autoprompt_search.backends.prefixes import Prefix, Soft
from autoprompt_search.backends.tokens import Ids, Joined, common_run
from autoprompt_search.core.errors import TrialError


@dataclass(frozen=True, slots=True)
class Want:
    """One probability that is asked for: of `token`, after the row's token at `place`."""

    prompt: int
    answer: int
    place: int
    token: int


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence for the model, and what is read from it."""

    ids: Ids
    wants: tuple[Want, ...]


def rows_of(joined: Sequence[Joined]) -> list[Row]:
    """The fewest sequences that hold every answer's positions.

    An answer's last token is predicted and never read, so all answers of one token share the prompt's own
    row, and they share the row of a longer answer that goes on from the same prompt.
    """
    rows: list[Row] = []
    for number, one in enumerate(joined):
        found: list[tuple[Ids, list[Want]]] = []
        order = sorted(range(len(one.whole)), key=lambda a: (-len(one.whole[a]), a))
        for answer in order:
            whole, start = one.whole[answer], one.starts[answer]
            wants = [Want(number, answer, i - 1, whole[i]) for i in range(start, len(whole))]
            if not wants:
                continue
            read = whole[:-1]
            row = next((r for r in found if r[0][: len(read)] == read), None)
            if row is None:
                found.append((read, wants))
            else:
                row[1].extend(wants)
        rows += [Row(ids, tuple(wants)) for ids, wants in found]
    return rows


def shared_length(rows: Sequence[Row]) -> int:
    """Tokens at the beginning that all rows share and from which nothing is read."""
    if not rows:
        return 0
    first = rows[0].ids
    run = min(common_run(first, row.ids) for row in rows)
    earliest = min(want.place for row in rows for want in row.wants)
    return min(run, earliest)


def batches(lengths: Sequence[int], budget: int, overhead: int = 0) -> list[list[int]]:
    """Indices grouped longest first, each group within `budget` = rows x (overhead + longest); at least one row."""
    groups: list[list[int]] = []
    room = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        if not groups or len(groups[-1]) >= room:
            groups.append([])
            room = max(1, budget // max(1, overhead + lengths[index]))
        groups[-1].append(index)
    return groups


def score_rows(
    model: Any, rows: Sequence[Row], shape: tuple[int, int], *, front: Prefix | Soft | None, budget: int
) -> torch.Tensor:
    """[prompts, answers] float32 on the CPU.

    Args:
        model: A causal LM.
        rows: What to read; rows begin with the front's tokens.
        shape: Prompts and answers.
        front: What all rows share: keys and values of their beginning, or soft vectors.
        budget: Tokens of one forward pass.
    """
    covered, before = (front.tokens, front.length) if front else (0, 0)
    out = torch.zeros(shape)
    for group in batches([len(row.ids) - covered for row in rows], budget, overhead=before):
        for part, values in _halving(model, [rows[i] for i in group], front):
            out += table(part, values.cpu(), shape)
    return out


def table(rows: Sequence[Row], values: torch.Tensor, shape: tuple[int, int]) -> torch.Tensor:
    """[prompts, answers]: the values of all wants of `rows`, summed per prompt and answer; differentiable."""
    cells = [want.prompt * shape[1] + want.answer for row in rows for want in row.wants]
    flat = values.new_zeros(shape[0] * shape[1])
    return flat.index_add(0, torch.tensor(cells, dtype=torch.long, device=values.device), values).view(shape)


def read(model: Any, rows: Sequence[Row], front: Prefix | Soft | None) -> torch.Tensor:
    """[wants of all rows] float32 log-probabilities, in order; one forward pass, differentiable in soft vectors."""
    covered = front.tokens if front else 0
    ids = padded([row.ids[covered:] for row in rows], model.device)
    if isinstance(front, Prefix):
        return _wanted(model, rows, -covered, input_ids=ids, past_key_values=front.expanded(len(rows)), use_cache=True)
    if front is None:
        return _wanted(model, rows, 0, input_ids=ids, use_cache=False)
    return _wanted(model, rows, front.length, inputs_embeds=front.before(model, ids), use_cache=False)


def _halving(model: Any, rows: list[Row], front: Prefix | Soft | None) -> Iterator[tuple[list[Row], torch.Tensor]]:
    """Parts of `rows` with their values; a part that does not fit into memory is split in two."""
    parts = [rows]
    while parts:
        part = parts.pop()
        try:
            with torch.no_grad():
                values = read(model, part, front)
        except RuntimeError as exc:
            if not out_of_memory(exc):
                raise
            if len(part) == 1:
                raise TrialError(f"out of memory on one prompt of {len(part[0].ids)} tokens") from exc
            half = len(part) // 2
            parts += [part[half:], part[:half]]
            continue
        yield part, values


def out_of_memory(exc: RuntimeError) -> bool:
    """Whether an exception means that memory ran out; frees what CUDA holds in reserve if so."""
    if not isinstance(exc, torch.OutOfMemoryError) and "can't allocate memory" not in str(exc):
        return False
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return True


def padded(rows: Sequence[Ids], device: torch.device) -> torch.Tensor:
    """[rows, longest] ids, filled up on the right with each row's last token: causality hides what follows."""
    width = max(map(len, rows))
    return torch.tensor([row + row[-1:] * (width - len(row)) for row in rows], device=device)


def _wanted(model: Any, rows: Sequence[Row], shift: int, **inputs: Any) -> torch.Tensor:
    """[wants of all rows] float32 log-probabilities over the whole vocabulary, in order; differentiable.

    Args:
        model: A causal LM.
        rows: What to read.
        shift: Where a row's token 0 stands in the model's input.
        inputs: Arguments of the forward pass, row by row.
    """
    spots = [(r, want.place + shift) for r, row in enumerate(rows) for want in row.wants]
    unique = {spot: number for number, spot in enumerate(dict.fromkeys(spots))}
    where = torch.tensor(list(unique), device=model.device)
    logits = _logits_at(model, where, inputs)
    normaliser = logits.logsumexp(-1)
    pick = torch.tensor([unique[spot] for spot in spots], device=logits.device)
    token = torch.tensor([want.token for row in rows for want in row.wants], device=logits.device)
    return logits[pick, token] - normaliser[pick]


def _logits_at(model: Any, where: torch.Tensor, inputs: dict[str, Any]) -> torch.Tensor:
    """[spots, vocabulary] float32: the LM head is applied at (row, position) of `where` only.

    A hook in front of the head picks the positions, so that whatever a model does after its head
    (soft-capping, scaling) stays in place; `logits_to_keep` differs between models and versions.
    """

    def pick(_module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0][where[:, 0], where[:, 1]].unsqueeze(0), *args[1:])

    handle = model.get_output_embeddings().register_forward_pre_hook(pick)
    try:
        logits = model(**inputs).logits
    finally:
        handle.remove()
    return logits[0].float()  # type: ignore[no-any-return]
