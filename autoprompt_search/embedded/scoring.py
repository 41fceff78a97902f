"""How well an embedded model answers in a format: the restricted argmax over two answer words."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedTokenizerBase

from autoprompt_search.embedded.families import Pupil
from autoprompt_search.embedded.formats import Format, Words
from autoprompt_search.embedded.raters import RATERS
from autoprompt_search.embedded.reviews import LABELS, Review

_BATCH = 64


@torch.no_grad()
def answers(pupil: Pupil, prompts: Sequence[str], words: Words) -> list[bool]:
    """Whether the model prefers the second word (positive) after each prompt."""
    negative, positive = (word_id(pupil.tokenizer, word) for word in words)
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    verdicts = [False] * len(prompts)
    for start in range(0, len(order), _BATCH):
        indices = order[start : start + _BATCH]
        logits = pupil.family.logits(pupil.model, pupil.tokenizer, [prompts[index] for index in indices])
        for index, row in zip(indices, logits, strict=True):
            verdicts[index] = bool(row[positive] > row[negative])
    return verdicts


def word_id(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    """The one token of an answer word after a space."""
    (token,) = tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
    return int(token)


def agreement(pupil: Pupil, form: Format, reviews: Sequence[Review], *, prefix: str = "") -> dict[str, float]:
    """Share of reviews on which the model agrees with each rater, by the rater's name.

    Args:
        pupil: The model, on the CPU.
        form: The format of the prompt.
        reviews: What to ask about.
        prefix: Stands before every prompt: a header, or demonstrations.
    """
    template = form.full_template
    prompts = [prefix + template.replace("{text}", review.text) for review in reviews]
    verdicts = answers(pupil, prompts, form.words)
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
