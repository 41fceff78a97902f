"""The corpus as batches of token ids, easiest first. What a model is to predict in them, its family decides."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice

import torch
from transformers import PreTrainedTokenizerFast

from autoprompt_search.embedded.documents import LENGTHS, Document, documents
from autoprompt_search.embedded.reviews import Review, stream

CONTEXT = 512
"""Tokens of the longest text that a model reads, its special tokens included."""
_POOL = 2048
_PLAIN = 10 * _POOL
_JUNK_SHARE, _JUNK_TOKENS = 0.1, range(2, 33)
"""Some documents start with random tokens, so that a prefix of any kind leaves the rest readable."""
_OPEN = 0.3
"""Share of the documents of several answers that hide only the last."""


@dataclass(frozen=True, slots=True)
class Item:
    """A document as token ids."""

    ids: list[int]
    places: list[int]
    """Position of each answer: one token; the document ends with the last."""
    junk: int
    """Number of random tokens at the start."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A number of pools that are easier than the corpus."""

    pools: int
    plain: bool
    """Whether its reviews are plain clauses: without such a start the opinion words are not learned for a long time."""
    lengths: tuple[float, ...] = (1.0,)
    """How common documents of one answer, of two, and so on are."""


@dataclass(frozen=True, slots=True)
class Course:
    """The order and the portions in which a family sees the corpus."""

    tokens: int
    """About how many a batch holds."""
    lessons: tuple[Lesson, ...]
    """What comes before the corpus as it is."""


_CORPUS = Lesson(0, plain=False, lengths=LENGTHS)
SINGLE = (Lesson(10, plain=True), Lesson(20, plain=False))
"""One clause, then one review."""
LISTS = (Lesson(10, plain=True), *(Lesson(4, plain=True, lengths=(1.0,) * longest) for longest in (2, 3, 5, 9)))
"""One clause, then ever longer lists of clauses: so that a model learns which clause its answer belongs to."""


def batches(
    tokenizer: PreTrainedTokenizerFast, seed: int, course: Course, *, lessons: bool = True
) -> Iterator[list[Item]]:
    """Batches without end, of documents sorted by length within a pool.

    Args:
        tokenizer: Its special tokens come first in the vocabulary; none is in the items, but there is room for
            those that it adds to a text.
        seed: Decides everything.
        course: The family's.
        lessons: False for all hard from the start.
    """
    rng = random.Random(f"batches/{seed}")
    full = stream(seed, split="pretrain")
    easy = [lesson for lesson in course.lessons for _ in range(lesson.pools)]
    plain = _plain(seed)
    for stage in count(0 if lessons else len(easy)):
        lesson = easy[stage] if stage < len(easy) else _CORPUS
        source = documents(
            random.Random(f"documents/{seed}/{stage}"), plain if lesson.plain else full, lengths=lesson.lengths
        )
        items = [_encode(tokenizer, document, rng) for document in islice(source, _POOL)]
        items.sort(key=lambda item: len(item.ids))
        groups = list(_groups(items, course.tokens))
        rng.shuffle(groups)
        yield from groups


def _plain(seed: int) -> Iterator[Review]:
    """Plain clauses without end, from one stream after the other: no stream has enough for all lessons."""
    for start in count(seed):
        yield from islice(stream(start, split="pretrain", plain=True), _PLAIN)


def _encode(tokenizer: PreTrainedTokenizerFast, document: Document, rng: random.Random) -> Item:
    encoding = tokenizer.backend_tokenizer.encode(document.text, add_special_tokens=False)
    junk: list[int] = []
    if rng.random() < _JUNK_SHARE:
        words = range(len(tokenizer.all_special_ids), len(tokenizer))
        junk = [rng.choice(words) for _ in range(rng.choice(_JUNK_TOKENS))]
    room = CONTEXT - tokenizer.num_special_tokens_to_add()
    places = [len(junk) + encoding.char_to_token(offset) for offset in document.answers]
    ids = [*junk, *encoding.ids][:room]
    return Item(ids, [position for position in places if position < room], len(junk))


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

    Documents of one answer hide nothing else, and some of the others neither, as when the model is asked.

    Args:
        item: A document; what it holds after its last answer is not read.
        answers: Share of the other answers to hide, where any is.
        words: Share of all other tokens to hide, in a quarter of the documents.
    """
    *others, last = item.places
    kind = float(torch.rand(()))
    if not others or kind < _OPEN:
        return [last]
    chances = torch.rand(last).tolist()
    share = dict.fromkeys(range(item.junk, last), words if kind > 0.75 else 0.0) | dict.fromkeys(others, answers)
    return [position for position in sorted(share) if chances[position] < share[position]] + [last]


def padded(rows: Sequence[Sequence[int]], padding: int = 0) -> torch.Tensor:
    """Rows of token ids as one tensor, filled up on the right; 0 pads in every tokenizer here."""
    width = max(map(len, rows))
    return torch.tensor([[*row, *[padding] * (width - len(row))] for row in rows])
