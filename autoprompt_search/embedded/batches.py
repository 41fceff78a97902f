"""The corpus as batches of token ids, easiest first."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

import torch
from transformers import PreTrainedTokenizerFast

from autoprompt_search.embedded.documents import Document, documents
from autoprompt_search.embedded.formats import LONG
from autoprompt_search.embedded.reviews import stream

CONTEXT = 512
_POOL = 2048
_TOKENS = 2560
_FIRST_WEIGHT = 3.0
"""Weight of the first answer of a document: the one asked without demonstrations. In a long list
it has no weight: a first answer cannot know that the list will be long."""
_JUNK_SHARE, _JUNK_TOKENS = 0.1, range(2, 33)
"""Some documents start with random tokens, so that a prefix of any kind leaves the rest readable."""
_PLAIN, _SINGLE = 10, 30
"""Until these pools, documents hold one plain clause, then one review: without such a start the
opinion words are not learned for a long time."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents of like length, right-padded."""

    ids: torch.Tensor
    """Token ids (documents, tokens); 0 is padding."""
    is_text: torch.Tensor
    """False on padding and on random tokens; same shape."""
    rows: torch.Tensor
    """Document of each answer."""
    places: torch.Tensor
    """Position of each answer."""
    weights: torch.Tensor
    """Weight of each answer in the loss."""


@dataclass(frozen=True, slots=True)
class _Item:
    ids: list[int]
    places: list[int]
    junk: int


def batches(tokenizer: PreTrainedTokenizerFast, seed: int, *, lessons: bool = True) -> Iterator[Batch]:
    """Batches without end, of documents sorted by length within a pool; without lessons, all hard from the start."""
    rng = random.Random(f"batches/{seed}")
    plain = stream(seed, split="pretrain", plain=True)
    full = stream(seed, split="pretrain")
    for stage in count(0 if lessons else _SINGLE):
        source = documents(
            random.Random(f"documents/{seed}/{stage}"),
            plain if stage < _PLAIN else full,
            single=stage < _SINGLE,
        )
        items = [_encode(tokenizer, document, rng) for document in islice(source, _POOL)]
        items.sort(key=lambda item: len(item.ids))
        groups = list(_groups(items))
        rng.shuffle(groups)
        yield from map(_batch, groups)


def _encode(tokenizer: PreTrainedTokenizerFast, document: Document, rng: random.Random) -> _Item:
    encoding = tokenizer.backend_tokenizer.encode(document.text)
    junk: list[int] = []
    if rng.random() < _JUNK_SHARE:
        junk = [rng.randrange(2, len(tokenizer)) for _ in range(rng.choice(_JUNK_TOKENS))]
    places = [len(junk) + encoding.char_to_token(offset) for offset in document.answers]
    ids = [*junk, *encoding.ids][:CONTEXT]
    return _Item(ids, [place for place in places if place < CONTEXT], len(junk))


def _groups(items: Sequence[_Item]) -> Iterator[list[_Item]]:
    group: list[_Item] = []
    for item in items:
        if group and (len(group) + 1) * len(item.ids) > _TOKENS:
            yield group
            group = []
        group.append(item)
    yield group


def _batch(group: Sequence[_Item]) -> Batch:
    width = max(len(item.ids) for item in group)
    cells = [(row, place) for row, item in enumerate(group) for place in item.places]
    weights = [weight for item in group for weight in _weights(len(item.places))]
    rows, places = (torch.tensor(column) for column in zip(*cells, strict=True))
    ids = torch.tensor([[*item.ids, *[0] * (width - len(item.ids))] for item in group])
    starts = torch.tensor([[item.junk] for item in group])
    return Batch(
        ids,
        (ids != 0) & (torch.arange(width) >= starts),
        rows,
        places,
        torch.tensor(weights),
    )


def _weights(answers: int) -> list[float]:
    first = _FIRST_WEIGHT if answers < LONG else 0.0
    return [first, *[1.0] * (answers - 1)]
