"""The corpus as batches of token ids, easiest first. What a model is to predict in them, its family decides."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

import torch
from transformers import PreTrainedTokenizerFast

from autoprompt_search.embedded.documents import LENGTHS, Document, documents
from autoprompt_search.embedded.reviews import stream

CONTEXT = 512
"""Tokens of the longest text that a model reads, its special tokens included."""
_POOL = 2048
_JUNK_SHARE, _JUNK_TOKENS = 0.1, range(2, 33)
"""Some documents start with random tokens, so that a prefix of any kind leaves the rest readable."""
_PLAIN, _SINGLE = 10, 30
"""Until these pools, documents hold one plain clause, then one review: without such a start the
opinion words are not learned for a long time."""


@dataclass(frozen=True, slots=True)
class Item:
    """A document as token ids."""

    ids: list[int]
    places: list[int]
    """Position of each answer: one token; the document ends with the last."""
    junk: int
    """Number of random tokens at the start."""


def batches(
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    *,
    lengths: Sequence[float] = LENGTHS,
    tokens: int = 2560,
    lessons: bool = True,
) -> Iterator[list[Item]]:
    """Batches without end, of documents sorted by length within a pool.

    Args:
        tokenizer: Its special tokens come first in the vocabulary; none is in the items, but there is room for
            those that it adds to a text.
        seed: Decides everything.
        lengths: How common documents of one answer, of two, and so on are.
        tokens: About how many a batch holds.
        lessons: False for all hard from the start.
    """
    rng = random.Random(f"batches/{seed}")
    plain = stream(seed, split="pretrain", plain=True)
    full = stream(seed, split="pretrain")
    for stage in count(0 if lessons else _SINGLE):
        source = documents(
            random.Random(f"documents/{seed}/{stage}"),
            plain if stage < _PLAIN else full,
            lengths=lengths,
            single=stage < _SINGLE,
        )
        items = [_encode(tokenizer, document, rng) for document in islice(source, _POOL)]
        items.sort(key=lambda item: len(item.ids))
        groups = list(_groups(items, tokens))
        rng.shuffle(groups)
        yield from groups


def _encode(tokenizer: PreTrainedTokenizerFast, document: Document, rng: random.Random) -> Item:
    encoding = tokenizer.backend_tokenizer.encode(document.text, add_special_tokens=False)
    junk: list[int] = []
    if rng.random() < _JUNK_SHARE:
        words = range(len(tokenizer.all_special_ids), len(tokenizer))
        junk = [rng.choice(words) for _ in range(rng.choice(_JUNK_TOKENS))]
    room = CONTEXT - tokenizer.num_special_tokens_to_add()
    places = [len(junk) + encoding.char_to_token(offset) for offset in document.answers]
    ids = [*junk, *encoding.ids][:room]
    return Item(ids, [place for place in places if place < room], len(junk))


def _groups(items: Sequence[Item], tokens: int) -> Iterator[list[Item]]:
    group: list[Item] = []
    for item in items:
        if group and (len(group) + 1) * len(item.ids) > tokens:
            yield group
            group = []
        group.append(item)
    yield group


def hidden(item: Item, answers: float, words: float) -> list[int]:
    """Draw the places of an item that a model is to fill in: the last answer always.

    Documents of one answer hide nothing else, and half of the others neither, as when the model is asked.

    Args:
        item: A document; what it holds after its last answer is not read.
        answers: Share of the other answers to hide in the other half.
        words: Share of all other tokens to hide in a quarter.
    """
    *others, last = item.places
    kind = float(torch.rand(()))
    if not others or kind < 0.5:
        return [last]
    chances = torch.rand(last).tolist()
    share = dict.fromkeys(range(item.junk, last), words if kind < 0.75 else 0.0) | dict.fromkeys(others, answers)
    return [place for place in sorted(share) if chances[place] < share[place]] + [last]


def padded(rows: Sequence[Sequence[int]], padding: int = 0) -> torch.Tensor:
    """Rows of token ids as one tensor, filled up on the right; 0 pads in every tokenizer here."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])
