"""The tokenizer of the embedded model: byte-level BPE, learned from its own corpus."""

import random
from itertools import islice

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from autoprompt_search.embedded.documents import documents
from autoprompt_search.embedded.reviews import stream

VOCABULARY = 1280
_DOCUMENTS = 6000
PAD, END = "<|pad|>", "<|end|>"


def train_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """Learn the merges. Bytes are the alphabet, so any text has tokens; nothing is added to it."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    source = documents(random.Random(f"tokens/{seed}"), stream(seed, split="pretrain"))
    core.train_from_iterator((d.text for d in islice(source, _DOCUMENTS)), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token=PAD,
        eos_token=END,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
