"""Pools of examples to three disjoint parts: overlaps, duplicates, sizes, and notes about all of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from autoprompt_search.core.types import SPLITS, Example, Splits
from autoprompt_search.tasks.duplicates import NEAR, Pair, near_duplicates, normalised
from autoprompt_search.tasks.examples import Pool
from autoprompt_search.tasks.problems import Problems
from autoprompt_search.tasks.splitting import Stratum, by_target, plan_sizes, split

OVERLAP = 0.01
"""Share of the smaller part from which texts that stand in another part too are an error."""
COMPARED = 20_000
"""Examples of each part that are searched for near-duplicates."""


def make_splits(
    pools: Mapping[str, Pool],
    labels: Sequence[str],
    numbers: Mapping[str, int],
    seed: int,
    stratum: Stratum = by_target,
) -> Splits:
    """Three disjoint parts; a part without a pool of its own is split off `train`.

    What is split here is rid of texts that occur twice first. Parts the user gave stay as they are,
    but for texts that also occur in a later part: those are left out of the earlier one, so that
    `test` stays whole. `ConfigError` names everything that stands in the way.

    Args:
        pools: Split -> its examples.
        labels: All label names; empty where answers are no labels.
        numbers: Wanted number per split.
        seed: Decides who goes where.
        stratum: The stratum of an example.
    """
    problems = Problems()
    pools, notes = _disjoint(pools, problems)
    shared = ["train", *(name for name in SPLITS if name not in pools)]
    if len(shared) > 1:
        pools["train"], more = _distinct(pools["train"], "label" if labels else "answer")
        notes += more
    wanted = {name: [name] for name in pools if name != "train"} | {"train": shared}
    parts: dict[str, tuple[Example, ...]] = {}
    for name, pool in pools.items():
        sizes = plan_sizes(len(pool.examples), wanted[name], numbers)
        if _fits(pool, sizes, problems):
            parts |= split(pool.examples, sizes, seed, stratum)
    for name in SPLITS:
        pool = pools.get(name, pools["train"])
        _check_labels(name, parts.get(name, ()), pool, labels, problems)
    problems.check()
    places = {identity: part for pool in pools.values() for identity, part in pool.places.items()}
    notes += _near_notes({name: parts[name] for name in SPLITS}, places)
    return Splits(parts["train"], parts["dev"], parts["test"], tuple(notes))


_FEW = 12
"""Least examples of a label: fewer cannot be split, and nothing can be shown of them."""


def _disjoint(pools: Mapping[str, Pool], problems: Problems) -> tuple[dict[str, Pool], list[str]]:
    """The pools without what also stands in a later one."""
    kept = dict(pools)
    notes: list[str] = []
    for first, second in combinations([name for name in SPLITS if name in pools], 2):
        one, other = kept[first], pools[second]
        theirs = {normalised(example): example for example in other.examples}
        both = [example for example in one.examples if normalised(example) in theirs]
        if not both:
            continue
        example = (one.places[both[0].id], other.places[theirs[normalised(both[0])].id])
        texts = f"1 text of {one.origin} stands" if len(both) == 1 else f"{len(both)} texts of {one.origin} stand"
        what = f"{texts} in {other.origin} too, e.g. {example[0]} and {example[1]}"
        if one.is_editable and len(both) > OVERLAP * min(len(one.examples), len(other.examples)):
            mend = "remove them from one of the two, or give one file alone and it is split for you"
            problems.add(f"{first} and {second}", f"{what}; the parts must be disjoint: {mend}")
        else:
            notes.append(f"{what}; left out of {first}")
            gone = {e.id for e in both}
            kept[first] = replace(one, examples=[e for e in one.examples if e.id not in gone])
    return kept, notes


def _distinct(pool: Pool, answer: str) -> tuple[Pool, list[str]]:
    """Every text once, the first time it occurs."""
    first: dict[str, Example] = {}
    torn = [e for e in pool.examples if first.setdefault(normalised(e), e).target != e.target]
    left = len(pool.examples) - len(first)
    notes = []
    if left:
        rows = "1 row" if left == 1 else f"{left} rows"
        repeat = "repeats" if left == 1 else "repeat"
        notes.append(f"{rows} of {pool.origin} {repeat} the text of an earlier one: left out before splitting")
    if torn:
        one, other = pool.places[first[normalised(torn[0])].id], pool.places[torn[0].id]
        has = "1 of these repeats has" if len(torn) == 1 else f"{len(torn)} of these repeats have"
        notes.append(f"{has} another {answer}, e.g. {one} and {other}: the first one counts")
    return replace(pool, examples=list(first.values())), notes


def _fits(pool: Pool, sizes: Mapping[str, int], problems: Problems) -> bool:
    available, total = len(pool.examples), sum(sizes.values())
    empty = [name for name, size in sizes.items() if not size]
    if total > available:
        wanted = " + ".join(f"{size} {name}" for name, size in sizes.items() if size)
        amount = f"{wanted} = {total}" if len(sizes) > 1 else wanted
        left = pool.rows - available
        without = f" ({left} more repeated)" if left else ""
        problems.add("splits", f"{amount} examples are wanted, {pool.origin} has {available}{without}")
    elif empty:
        taken = " + ".join(f"{size} {name}" for name, size in sizes.items() if size)
        rest = f" after {taken}" if taken else ""
        problems.add("splits", f"no example is left for {' and '.join(empty)}: {pool.origin} has {available}{rest}")
    return total <= available and not empty


def _check_labels(name: str, part: Sequence[Example], pool: Pool, labels: Sequence[str], problems: Problems) -> None:
    if not part:
        return
    present = {example.target for example in part}
    counts = Counter(example.target for example in pool.examples)
    for label in (label for label in labels if label not in present):
        what = f"none of the {len(part)} examples has the label {label!r}; {pool.origin} has {counts[label]} in all"
        if counts[label] < _FEW:
            what += "; to search without it name the others (`labels: [...]`) and write `leave_out: [unknown]`"
        problems.add(name, what, kind=f"labels without an example in {name}")


def _near_notes(parts: Mapping[str, Sequence[Example]], places: Mapping[str, str]) -> Iterator[str]:
    pairs: dict[tuple[str, str], list[Pair]] = {}
    for pair in near_duplicates({name: part[:COMPARED] for name, part in parts.items()}):
        pairs.setdefault(pair.groups, []).append(pair)
    for (one, other), near in sorted(pairs.items()):
        best = max(near, key=lambda pair: (pair.similarity, pair.ids))
        first, second = (places[identity] for identity in best.ids)
        number = "1 near-duplicate" if len(near) == 1 else f"{len(near)} near-duplicates"
        yield f"{one} and {other} share {number} (overlap of {NEAR:.0%} or more), e.g. {first} and {second}"
    for name, part in parts.items():
        if len(part) > COMPARED:
            yield f"only the first {COMPARED} of {len(part)} {name} examples were searched for near-duplicates"
