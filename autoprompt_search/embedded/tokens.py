"""The merges that all embedded models share: byte-level BPE, learned from their own corpus."""

import random
from collections.abc import Sequence
from itertools import islice

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from autoprompt_search.embedded.documents import documents
from autoprompt_search.embedded.reviews import stream

_WORDS = 1278
_DOCUMENTS = 6000


def learn(seed: int, specials: Sequence[str]) -> Tokenizer:
    """Learn the merges; the special tokens come first in the vocabulary, and the first of them pads.

    Bytes are the alphabet, so any text has tokens; nothing is added to it.
    """
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=len(specials) + _WORDS,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    source = documents(random.Random(f"tokens/{seed}"), stream(seed, split="pretrain"))
    core.train_from_iterator((d.text for d in islice(source, _DOCUMENTS)), trainer)
    return core
