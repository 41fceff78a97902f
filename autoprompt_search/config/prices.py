"""What a forward pass takes of a budget in other units, and whether such a budget pays for the least search.

Given splits and backend, it builds neither; it counts tokens and never loads weights.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoprompt_search.config.data import largest, soft_methods
from autoprompt_search.config.models import SearchConfig
from autoprompt_search.config.rules_space import possible
from autoprompt_search.core.answers import LabelAnswers, TextAnswers
from autoprompt_search.core.protocols.model import Backend, Estimates
from autoprompt_search.core.types import Splits
from autoprompt_search.prompting import PromptBook, render

_SAMPLE = 64
"""Dev examples by which the price of a prompt is told."""


def prompt_prices(config: SearchConfig, book: PromptBook, splits: Splits, backend: Backend) -> dict[str, float]:
    """Unit of `Cost` -> what the baseline's prompt takes of it on a dev example, on average.

    A generated answer is taken to use all tokens it may. Units that this backend cannot count are left out.
    """
    count = getattr(backend, "count_tokens", None)
    if count is None:
        return {}
    point = config.space.baseline(config.baseline)
    prompt, examples = book.compose(point), splits.dev[:_SAMPLE]
    k = point.get("demos.k", 0) if point.get("demos.strategy", "none") != "none" else 0
    demos = splits.train[: int(k)]
    read = sum(count([render(prompt, example, demos) for example in examples])) / len(examples)
    written = prompt.answers.limits.tokens if isinstance(prompt.answers, TextAnswers) else 0
    if isinstance(backend, Estimates):
        answers = sum(map(len, prompt.answers.verbalizer.values())) if isinstance(prompt.answers, LabelAnswers) else 0
        return dict(backend.estimate([render(prompt, e, demos) for e in examples], written, answers))
    return {"tokens": read + written}


def final_passes(config: SearchConfig, splits: Splits) -> int:
    """Forward passes of the final test: the baseline and the finalists on all test examples."""
    return (config.confirm.finalists + 1) * len(splits.test)


def part_passes(config: SearchConfig) -> int:
    """Forward passes of what the chosen prompt is without its demonstrations, calibration or soft prompt, on dev."""
    parts = ("demos.strategy", "calibration", "soft.method")
    return config.rungs[-1] * sum(bool(set(possible(config.space, name)) - {"none"}) for name in parts)


def first_training(config: SearchConfig) -> int:
    """Forward passes of a soft prompt's first rung, at most; 0 without soft prompts."""
    steps = [largest(config, m, "steps") * largest(config, m, "batch_size") for m in soft_methods(config)]
    return max(steps, default=0) * 3 // len(config.rungs) + (3 * config.rungs[0] if steps else 0)


def budget_problems(config: SearchConfig, splits: Splits, prices: Mapping[str, float]) -> list[str]:
    """Limits that do not even pay for the baseline, one look at another prompt, and the final test."""
    least = config.rungs[-1] + config.rungs[0] + part_passes(config) + final_passes(config, splits)
    lines = []
    for unit, most in config.budget.limits.items():
        price = prices.get(unit, 0.0)
        if price * least > most:
            lines.append(
                f"budget.{unit}: pays for about {most / price:,.0f} prompts of {price:,.4g} {unit}, and the baseline, "
                f"a first look at another prompt and the final test ({config.confirm.finalists + 1} prompts on "
                f"{len(splits.test):,} examples) take {least:,}: allow at least {price * least:,.4g}, or lower "
                f"confirm.finalists or task.splits.test (got {most:,.4g})"
            )
    return lines
