"""What each of our model families can do and how it answers, said once for configurations, soft prompts and exports.

Knows names and words only. What a family comes to in code stands in its backend, and in plain code in
`exporters/snippet_families.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

EMBEDDINGS = ("prompt-tuning", "p-tuning", "residual-prompt-tuning")
"""Soft-prompt methods whose vectors are rows beside the tokens' embeddings."""
PREFIXES = ("prefix-tuning",)
"""Soft-prompt methods whose vectors are keys and values of every layer."""

_TOKENS = "an answer scores the sum of the log-probabilities of its tokens"
_TEXT = "special tokens written in a text are read as plain text"


@dataclass(frozen=True, slots=True)
class Family:
    """What one family of models can do; config, soft fits and exporters read it."""

    rule: str
    """How a text becomes scores of the answers, in words."""
    auto: str = ""
    """The class of transformers that loads the model; empty where none does."""
    limits: tuple[str, ...] = ()
    """What a user of its prompts must know beyond the usual."""
    reads_rest: bool = True
    """Whether it reads what stands after the answer."""
    fills_gaps: bool = False
    """Whether the answer's place in the text is marked for it, so that a template may go on behind the answer."""
    takes_pairs: bool = False
    """Whether it can be given two texts that it tells apart."""
    chats: bool = False
    """Whether it can be asked in turns, set into the model's chat template."""
    continues: bool = False
    """Whether an answer goes on from the prompt token by token, so that one answer can begin another."""
    compares: bool = False
    """Whether texts are compared with the answers, and demonstrations with them, instead of being read in front."""
    methods: tuple[str, ...] = ()
    """Soft-prompt methods that fit it."""
    places: tuple[str, ...] = ()
    """Values of `soft.placement`; the first is where vectors stand when nothing is said. Prefixes take `start`."""
    without_prefixes: tuple[str, ...] = ()
    """Architectures (`model_type`) whose attention takes no keys and values from outside."""


FAMILIES: Mapping[str, Family] = {
    "hf-causal": Family(
        f"tokenise prompt + answer as one text, {_TEXT}; {_TOKENS}",
        "AutoModelForCausalLM",
        reads_rest=False,
        chats=True,
        continues=True,
        methods=(*EMBEDDINGS, *PREFIXES),
        places=("start", "before-answer"),
    ),
    "hf-masked": Family(
        f"as many masks as the answer has tokens stand in its place, {_TEXT}; from left to right each token is "
        f"predicted by its mask, those before it filled in, those after it still masked; {_TOKENS}",
        "AutoModelForMaskedLM",
        fills_gaps=True,
        takes_pairs=True,
        methods=(*EMBEDDINGS, *PREFIXES),
        places=("start", "after-cls", "before-answer"),
        without_prefixes=("albert", "deberta", "deberta-v2", "distilbert", "modernbert"),
    ),
    "hf-seq2seq": Family(
        "the encoder reads the prompt, with a sentinel (or a mask, where the tokenizer has no sentinels) in the "
        "answer's slot if it has one; the decoder predicts the answer's own tokens, without a closing one; "
        f"{_TEXT}; {_TOKENS}",
        "AutoModelForSeq2SeqLM",
        fills_gaps=True,
        continues=True,
        methods=(*EMBEDDINGS, *PREFIXES),
        places=("start", "decoder"),
    ),
    "hf-classifier": Family(
        f"an answer scores the log-probability of the head's class of that name, whatever its case; {_TEXT}",
        "AutoModelForSequenceClassification",
        limits=("The labels are classes of the model's own head: it can be asked for no other ones.",),
        takes_pairs=True,
        methods=EMBEDDINGS,
        places=("start", "after-cls"),
    ),
    "openai": Family(
        "the server reads the prompt, in its own chat template where it is asked in turns; labels are scored as the "
        "probe of the endpoint found out, or are read in the text",
        limits=("The model is somebody else's: it may change or go, and its scores with it.",),
        reads_rest=False,
        chats=True,
    ),
    "hf-encoder": Family(
        "an answer scores the cosine of its vector and the text's, x 20, blanks around the answer left out; where "
        "there are demonstrations an answer's vector is the mean of its own and theirs, which stand for their label's "
        f"first answer; {_TEXT}",
        "AutoModel",
        limits=("Labels are told apart by similarity of meaning alone; the text itself asks the model nothing.",),
        takes_pairs=True,
        compares=True,
        methods=EMBEDDINGS,
        places=("start", "after-cls"),
    ),
}
"""Families by backend name. Other backends take what their own capabilities allow."""

_OTHER = Family(_TOKENS)


def family_of(backend: Mapping[str, Any]) -> Family:
    """The family that a backend's section of the configuration names."""
    return FAMILIES.get(str(backend.get("type")), _OTHER)
