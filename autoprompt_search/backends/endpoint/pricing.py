"""What a prompt costs in use: the part that is cached, and the price of a thousand predictions."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from autoprompt_search.backends.endpoint.certificate import Certificate
from autoprompt_search.backends.endpoint.journal import Tariff
from autoprompt_search.core.prompts import Rendered

_CALLS, _SHORT, _WRITTEN, _LONG = 55, 2_500, 830, 6_000
"""Of a probe: requests, tokens of all short prompts, new tokens, and tokens of its long prompt, which is sent twice."""


def cached_part(texts: Sequence[str]) -> float:
    """Share of a text, on average, that stands at the beginning of all of them."""
    first, last = min(texts), max(texts)
    common = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return common / max(1.0, fmean(map(len, texts))) if len(texts) > 1 else 0.0


def price_of(
    tariff: Tariff, certificate: Certificate, lengths: Sequence[int], share: float, completion_tokens: float
) -> float:
    """US dollars per 1,000 requests with prompts of these lengths, in tokens, of which `share` is their beginning.

    A beginning counts as cached from as many tokens on as the probe saw cached, in whole steps.
    """
    length = fmean(lengths)
    common = share * length
    cached = common // certificate.cache_step * certificate.cache_step if certificate.cache_step else 0.0
    cached = min(cached, length) if certificate.cache_step and cached >= certificate.cache_from else 0.0
    fresh = length - cached
    completion = completion_tokens + certificate.thinks
    return (fresh * tariff.prompt + cached * tariff.cached + completion * tariff.completion) / 1e3


def estimate_of(
    tariff: Tariff | None,
    certificate: Certificate,
    lengths: Sequence[int],
    prompts: Sequence[Rendered],
    answer: tuple[int, int],
) -> dict[str, float]:
    """Unit of `Cost` -> what one prompt is expected to take; `answer` as `Estimates.estimate` has it."""
    written, answers = answer
    calls = answers if answers and certificate.way == "echo" else 1
    amounts = {"tokens": calls * (fmean(lengths) + (written or 1) + certificate.thinks), "requests": float(calls)}
    if tariff is not None:
        share = cached_part([prompt.text for prompt in prompts])
        amounts["usd"] = calls * price_of(tariff, certificate, lengths, share, written or 1) / 1000
    return amounts


def probe_estimate(
    tariff: Tariff | None, certificate: Certificate, longest: int, *, is_known: bool
) -> dict[str, float]:
    """What a probe takes, as those of scripted servers did; nothing where the endpoint is known.

    Args:
        tariff: Prices; None for none.
        certificate: How the server counts.
        longest: Characters of the longest prompt of the search; 0 where it is not known.
        is_known: Whether there is nothing to find out.
    """
    long = longest // 3 or _LONG
    prompt, completion = (0, 0) if is_known else (_SHORT + 2 * max(long, 500), _WRITTEN + _CALLS * certificate.thinks)
    amounts = {"tokens": float(prompt + completion), "requests": 0.0 if is_known else float(_CALLS)}
    if tariff is not None:
        amounts["usd"] = (prompt * tariff.prompt + completion * tariff.completion) / 1e6
    return amounts
