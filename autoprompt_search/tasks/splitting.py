"""How many examples each part gets, which ones, and in what order. Pure functions of examples and seed."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from autoprompt_search.core.rng import derive_rng
from autoprompt_search.core.types import Example

Stratum = Callable[[Example], str]
"""The stratum of an example: every part and every prefix holds each of them by its share."""

SHARES = {"train": 1, "dev": 1, "test": 2}
"""Who gets how much where no numbers are given: test most, because the verdict rests on it."""


def plan_sizes(available: int, parts: Sequence[str], numbers: Mapping[str, int]) -> dict[str, int]:
    """Sizes of the parts that one pool is split into: wanted numbers first, the rest by `SHARES`.

    What nobody wants stays unused. The sum may exceed `available`: that is for the caller to report.
    """
    sizes = {part: numbers[part] for part in parts if part in numbers}
    free = [part for part in parts if part not in numbers]
    rest = max(available - sum(sizes.values()), 0)
    whole = sum(SHARES[part] for part in free)
    for part in free:
        sizes[part] = rest * SHARES[part] // whole
    if free:
        sizes[free[0]] += max(available - sum(sizes.values()), 0)
    return {part: sizes[part] for part in parts}


def by_target(example: Example) -> str:
    """The stratum where answers are labels: the right one."""
    return example.target


def alike(_: Example) -> str:
    """The stratum where answers are free text: one for all."""
    return ""


def split(
    examples: Sequence[Example], sizes: Mapping[str, int], seed: int, stratum: Stratum = by_target
) -> dict[str, tuple[Example, ...]]:
    """Disjoint parts of these sizes, each with the strata in the proportions of the whole.

    Every part gets every stratum that has at least as many examples as there are parts. Each part
    comes in `stratified_order`.

    Args:
        examples: The pool; its order matters only through the seed.
        sizes: Part -> number; together at most `len(examples)`.
        seed: Decides who goes where.
        stratum: The stratum of an example.
    """
    pools: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        pools[stratum(example)].append(example)
    for label, pool in pools.items():
        derive_rng(seed, "split", label).shuffle(pool)
    parts: dict[str, list[Example]] = {part: [] for part in sizes}
    # Smallest first: then no part can use up a label before all have had theirs.
    for part in sorted(sizes, key=lambda name: (sizes[name], name)):
        for label, number in apportion({name: len(pool) for name, pool in pools.items()}, sizes[part]).items():
            pool = pools[label]
            parts[part] += pool[:number]
            pools[label] = pool[number:]
    return {part: stratified_order(chosen, seed, part, stratum) for part, chosen in parts.items()}


def apportion(counts: Mapping[str, int], number: int) -> dict[str, int]:
    """Share out `number` seats in proportion to `counts` (largest remainders), at least one to each if they reach."""
    total = sum(counts.values())
    if number >= total:
        return dict(counts)
    seats = {label: count * number // total for label, count in counts.items()}
    by_remainder = sorted(counts, key=lambda label: (-(counts[label] * number % total), label))
    for label in by_remainder[: number - sum(seats.values())]:
        seats[label] += 1
    if number >= sum(1 for count in counts.values() if count):
        for label in sorted(counts):
            if not seats[label] and counts[label]:
                seats[label] += 1
                seats[max(seats, key=lambda name: (seats[name], name))] -= 1
    return seats


def stratified_order(
    examples: Sequence[Example], seed: int, name: str, stratum: Stratum = by_target
) -> tuple[Example, ...]:
    """A seeded permutation whose every prefix has the strata in the proportions of the whole.

    Of a stratum with share p, the first n examples hold at least floor(n p) and at most ceil(n p):
    the j-th of its examples (from 0) must stand at a place in [floor(j/p) + 1, ceil((j+1)/p)].
    Earliest deadline first meets all these windows (proportionate fairness: Baruah et al. 1996,
    Algorithmica 15:600); ties are broken by the seed.
    """
    rng = derive_rng(seed, "order", name)
    pools: dict[str, list[Example]] = defaultdict(list)
    for example in sorted(examples, key=lambda e: e.id):
        pools[stratum(example)].append(example)
    for label in sorted(pools):
        rng.shuffle(pools[label])
    total = len(examples)
    counts = Counter({label: len(pool) for label, pool in pools.items()})
    waiting = [(1, label, 0) for label in sorted(counts)]
    ready: list[tuple[int, float, str, int]] = []
    ordered: list[Example] = []
    heapq.heapify(waiting)
    for rank in range(1, total + 1):
        while waiting and waiting[0][0] <= rank:
            _, label, j = heapq.heappop(waiting)
            deadline = -(-(j + 1) * total // counts[label])
            heapq.heappush(ready, (deadline, rng.random(), label, j))
        _, _, label, j = heapq.heappop(ready)
        ordered.append(pools[label][j])
        if j + 1 < counts[label]:
            heapq.heappush(waiting, ((j + 1) * total // counts[label] + 1, label, j + 1))
    return tuple(ordered)
