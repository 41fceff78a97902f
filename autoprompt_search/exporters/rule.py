"""How a label is found, in one sentence, for people who use an exported prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autoprompt_search.core.families import family_of

_EXCLUSIVE = (
    "from the probability of an answer whose tokens begin those of others the probabilities of these are taken off "
    "(of those that begin with another of them only the latter's)"
)
_CHAT = (
    "the messages are set into the model's own chat template with a generation prompt, special tokens that it writes "
    "are tokens, and `answer_prefix` is put behind it; this text is the prompt; "
)
_SUM = "probabilities of several answers of one label add"
_CALIBRATED = "a label's offset under `calibration` is taken off its log-probability"
_CHOICE = "the likeliest label wins, the first named one when equal"


def rule_of(backend: Mapping[str, Any], *, calibrated: bool, nests: bool = False, chats: bool = False) -> str:
    """How a label is found, in one sentence.

    Args:
        backend: Its section of the configuration.
        calibrated: Whether the prompt is.
        nests: Whether one of the answers begins another.
        chats: Whether the prompt is a conversation.
    """
    family = family_of(backend)
    excluded = [_EXCLUSIVE] if nests and family.continues else []
    return (_CHAT if chats else "") + "; ".join(
        [family.rule, *excluded, _SUM, *([_CALIBRATED] if calibrated else []), _CHOICE]
    )
