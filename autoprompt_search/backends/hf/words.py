"""Label words found by the model itself, from what it expects at the answer's place of solved examples."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from autoprompt_search.backends.hf.tokenizer import PromptTokenizer

_COMMON = 1000
"""Only so many tokens, those with the highest mean probability, are candidates: rare ones separate by chance."""


def distinctive_words(
    logprobs: torch.Tensor, targets: Sequence[int], labels: int, count: int, tokenizer: PromptTokenizer, gap: str
) -> list[tuple[str, ...]]:
    """Per label `count` words by likelihood ratio (PETAL, Schick et al. 2020, arXiv 2010.13641, section 3).

    A word's ratio for a label is its mean log-odds on that label's examples minus that on the others.
    Labels choose in turn, so that no word is given twice.

    Args:
        logprobs: [examples, vocabulary] natural log-probabilities at the answer's place.
        targets: Per example the index of its label.
        labels: How many there are.
        count: Words per label.
        tokenizer: The tokenizer.
        gap: What stands before a word.
    """
    logits = logprobs.double() - torch.log1p(-logprobs.double().exp().clamp(max=1 - 1e-12))
    member = torch.tensor(targets)[:, None] == torch.arange(labels)[None]  # [examples, labels]
    own = torch.stack([logits[member[:, label]].mean(0) for label in range(labels)])
    other = torch.stack([logits[~member[:, label]].mean(0) for label in range(labels)])
    common = logprobs.logsumexp(0).topk(min(_COMMON, logprobs.shape[1])).indices
    words = {int(i): word for i in common if (word := tokenizer.word(int(i), gap)) is not None}
    ids = torch.tensor(sorted(words), dtype=torch.long)
    ranked = [
        [words[int(ids[index])] for index in row.argsort(descending=True, stable=True)] for row in (own - other)[:, ids]
    ]
    chosen: list[list[str]] = [[] for _ in range(labels)]
    taken: set[str] = set()
    for _ in range(count):
        for label in range(labels):
            word = next((w for w in ranked[label] if w not in taken), None)
            if word is not None:
                taken.add(word)
                chosen[label].append(word)
    return [tuple(row) for row in chosen]
