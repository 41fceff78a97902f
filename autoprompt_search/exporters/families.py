"""What an exported prompt has to say about each family of models: what reads it, how it answers, what to mind.

Knows names and words only; `snippet.py` knows what they come to in code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TOKENS = "an answer scores the sum of the log-probabilities of its tokens"
_TEXT = "special tokens written in a text are read as plain text"


@dataclass(frozen=True, slots=True)
class Family:
    """One of our backends, in words."""

    rule: str
    """From a text to the scores of the answers."""
    auto: str = ""
    """The class of transformers that loads the model; empty where none does."""
    limits: tuple[str, ...] = ()
    """What a user of its prompts must know beyond the usual."""
    reads_rest: bool = True
    """Whether it reads what stands after the answer."""
    continues: bool = False
    """Whether an answer goes on from the prompt token by token, so that one answer can begin another."""
    compares: bool = False
    """Whether texts are compared with the answers, and demonstrations with them, instead of being read in front."""


FAMILIES: Mapping[str, Family] = {
    "hf-causal": Family(
        f"tokenise prompt + answer as one text, {_TEXT}; {_TOKENS}",
        "AutoModelForCausalLM",
        reads_rest=False,
        continues=True,
    ),
    "hf-masked": Family(
        f"as many masks as the answer has tokens stand in its place, {_TEXT}; from left to right each token is "
        f"predicted by its mask, those before it filled in, those after it still masked; {_TOKENS}",
        "AutoModelForMaskedLM",
    ),
    "hf-seq2seq": Family(
        "the encoder reads the prompt, with a sentinel (or a mask, where the tokenizer has no sentinels) in the "
        "answer's slot if it has one; the decoder predicts the answer's own tokens, without a closing one; "
        f"{_TEXT}; {_TOKENS}",
        "AutoModelForSeq2SeqLM",
        continues=True,
    ),
    "hf-encoder": Family(
        "an answer scores the cosine of its vector and the text's, x 20, blanks around the answer left out; where "
        "there are demonstrations an answer's vector is the mean of its own and theirs, which stand for their label's "
        f"first answer; {_TEXT}",
        "AutoModel",
        limits=("Labels are told apart by similarity of meaning alone; the text itself asks the model nothing.",),
        compares=True,
    ),
    "hf-classifier": Family(
        f"an answer scores the log-probability of the head's class of that name, whatever its case; {_TEXT}",
        "AutoModelForSequenceClassification",
        limits=("The labels are classes of the model's own head: it can be asked for no other ones.",),
    ),
}
"""By backend name."""

_OTHER = Family(_TOKENS)
_EXCLUSIVE = (
    "from the probability of an answer whose tokens begin those of others the probabilities of these are taken off "
    "(of those that begin with another of them only the latter's)"
)
_SUM = "probabilities of several answers of one label add"
_CALIBRATED = "a label's offset under `calibration` is taken off its log-probability"
_CHOICE = "the likeliest label wins, the first named one when equal"


def family_of(backend: Mapping[str, Any]) -> Family:
    """By the backend's section of the configuration."""
    return FAMILIES.get(str(backend.get("type")), _OTHER)


def rule_of(backend: Mapping[str, Any], *, calibrated: bool, nests: bool = False) -> str:
    """How a label is found, in one sentence.

    Args:
        backend: Its section of the configuration.
        calibrated: Whether the prompt is.
        nests: Whether one of the answers begins another.
    """
    family = family_of(backend)
    excluded = [_EXCLUSIVE] if nests and family.continues else []
    return "; ".join([family.rule, *excluded, _SUM, *([_CALIBRATED] if calibrated else []), _CHOICE])
