"""The family of `builtin:gpt`: reads from left to right and is asked for the next token after a prompt."""

from collections.abc import Sequence

import torch
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from autoprompt_search.embedded.batches import CONTEXT, SINGLE, Course, Item, padded
from autoprompt_search.embedded.formats import LONG
from autoprompt_search.embedded.tokens import learn

_PAD, _END = "<|pad|>", "<|end|>"
_LM_SHARE = 0.15
_FIRST_WEIGHT = 3.0
"""Weight of the first answer of a document: the one asked without demonstrations. In a long list
it has no weight: a first answer cannot know that the list will be long."""


class Causal:
    """A small Llama, asked for the token after a prompt."""

    loader = LlamaForCausalLM
    steps = 5500
    rate = 3e-3
    course = Course(tokens=2560, lessons=SINGLE)

    def new_tokenizer(self, seed: int) -> PreTrainedTokenizerFast:
        """Adds no token of its own to a text."""
        return PreTrainedTokenizerFast(
            tokenizer_object=learn(seed, (_PAD, _END)),
            pad_token=_PAD,
            eos_token=_END,
            model_max_length=CONTEXT,
            clean_up_tokenization_spaces=False,
        )

    def new_model(self, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
        """A small Llama: rotary positions and tied embeddings."""
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer),
                hidden_size=128,
                intermediate_size=256,
                num_hidden_layers=4,
                num_attention_heads=4,
                num_key_value_heads=4,
                max_position_embeddings=CONTEXT,
                tie_word_embeddings=True,
                initializer_range=0.08,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                bos_token_id=None,
            )
        )

    def losses(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, items: Sequence[Item]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss on the answers, and on a sample of all tokens."""
        ids = padded([item.ids for item in items])
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state
        head = model.lm_head.weight
        cells = [(row, position) for row, item in enumerate(items) for position in item.places]
        rows, places = (torch.tensor(column) for column in zip(*cells, strict=True))
        weights = torch.tensor([weight for item in items for weight in _weights(len(item.places))])
        answer = functional.cross_entropy(hidden[rows, places - 1] @ head.T, ids[rows, places], reduction="none")
        starts = torch.tensor([[item.junk] for item in items])
        is_text = (ids != tokenizer.pad_token_id) & (torch.arange(ids.shape[1]) >= starts)
        sampled = is_text[:, 1:] & (torch.rand(ids[:, 1:].shape) < _LM_SHARE)
        language = functional.cross_entropy(hidden[:, :-1][sampled] @ head.T, ids[:, 1:][sampled])
        return (answer * weights).sum() / weights.sum(), language

    def logits(
        self, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]
    ) -> torch.Tensor:
        """Logits of the token after each prompt (prompts, vocabulary)."""
        rows = tokenizer(list(prompts))["input_ids"]
        last = torch.tensor([len(row) - 1 for row in rows])
        hidden = model.model(input_ids=padded(rows), use_cache=False).last_hidden_state
        answer: torch.Tensor = model.lm_head(hidden[torch.arange(len(rows)), last])
        return answer


def _weights(answers: int) -> list[float]:
    first = _FIRST_WEIGHT if answers < LONG else 0.0
    return [first, *[1.0] * (answers - 1)]
