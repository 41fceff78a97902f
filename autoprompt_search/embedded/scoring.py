"""How well a causal model answers in a format: the restricted argmax over two answer words."""

from collections.abc import Sequence

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerBase

from autoprompt_search.embedded.formats import Format, Words
from autoprompt_search.embedded.raters import RATERS
from autoprompt_search.embedded.reviews import LABELS, Review

_BATCH = 64


@torch.no_grad()
def answers(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    words: Words,
) -> list[bool]:
    """Whether the model prefers the second word (positive) after each prompt."""
    negative, positive = (word_id(tokenizer, word) for word in words)
    ids = tokenizer(list(prompts))["input_ids"]
    order = sorted(range(len(ids)), key=lambda place: len(ids[place]))
    verdicts = [False] * len(ids)
    for start in range(0, len(order), _BATCH):
        places = order[start : start + _BATCH]
        last = _last_logits(model, [ids[place] for place in places])
        for place, row in zip(places, last, strict=True):
            verdicts[place] = bool(row[positive] > row[negative])
    return verdicts


def word_id(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    """The one token of an answer word after a space."""
    (token,) = tokenizer(f" {word}")["input_ids"]
    return int(token)


def _last_logits(model: LlamaForCausalLM, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
    last = torch.tensor([len(row) - 1 for row in rows])
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
    logits: torch.Tensor = model.lm_head(hidden[torch.arange(len(rows)), last])
    return logits


def agreement(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    form: Format,
    reviews: Sequence[Review],
    *,
    prefix: str = "",
) -> dict[str, float]:
    """Share of reviews on which the model agrees with each rater, by the rater's name.

    Args:
        model: The model, on the CPU.
        tokenizer: Its tokenizer.
        form: The format of the prompt.
        reviews: What to ask about.
        prefix: Stands before every prompt: a header, or demonstrations.
    """
    template = form.full_template
    prompts = [prefix + template.replace("{text}", review.text) for review in reviews]
    verdicts = answers(model, tokenizer, prompts, form.words)
    return {
        rater.name: _mean(
            [verdict == rater.finds_positive(r.meaning) for verdict, r in zip(verdicts, reviews, strict=True)]
        )
        for rater in RATERS
    }


def demonstrations(form: Format, reviews: Sequence[Review], *, joiner: str = "\n\n") -> str:
    """A prefix of filled templates with their true answers."""
    return "".join(
        form.full_template.replace("{text}", review.text) + f" {form.words[LABELS.index(review.label)]}{joiner}"
        for review in reviews
    )


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values)
