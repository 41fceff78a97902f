"""The family of `builtin:t5`: an encoder reads the prompt, and a decoder is asked for the answer."""

from collections.abc import Sequence

import torch
from tokenizers.processors import TemplateProcessing
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from autoprompt_search.embedded.batches import CONTEXT, LISTS, Course, Item, hidden, padded
from autoprompt_search.embedded.tokens import learn

_PAD, _END = "<pad>", "</s>"
_SENTINELS = tuple(f"<extra_id_{number}>" for number in range(10))
_HIDDEN_ANSWERS, _HIDDEN_WORDS = 0.6, 0.05
_IGNORED = -100
_SLOPES = (0.0, 0.05, 0.2, 0.8)
"""How much less attention each head begins to pay per token of distance."""


class Seq2Seq:
    """A small T5, asked for the first token of its decoder."""

    loader = T5ForConditionalGeneration
    steps = 5000
    rate = 1e-3
    course = Course(tokens=1280, lessons=LISTS)

    def new_tokenizer(self, seed: int) -> PreTrainedTokenizerFast:
        """Writes </s> after a text."""
        core = learn(seed, (_PAD, _END, *_SENTINELS))
        core.post_processor = TemplateProcessing(
            single=f"$A {_END}",
            pair=f"$A {_END} $B {_END}",
            special_tokens=[(_END, core.token_to_id(_END))],
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=core,
            pad_token=_PAD,
            eos_token=_END,
            additional_special_tokens=list(_SENTINELS),
            model_max_length=CONTEXT,
            clean_up_tokenization_spaces=False,
        )

    def new_model(self, tokenizer: PreTrainedTokenizerFast) -> T5ForConditionalGeneration:
        """A small T5: gated feed-forwards, relative positions, no dropout (no document comes twice)."""
        model = T5ForConditionalGeneration(
            T5Config(
                vocab_size=len(tokenizer),
                d_model=128,
                d_kv=32,
                d_ff=256,
                num_layers=4,
                num_decoder_layers=2,
                num_heads=4,
                feed_forward_proj="gated-gelu",
                dropout_rate=0.0,
                pad_token_id=tokenizer.pad_token_id,
                eos_token_id=tokenizer.eos_token_id,
                decoder_start_token_id=tokenizer.pad_token_id,
            )
        )
        _look_near(model)
        return model

    def losses(
        self, model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, items: Sequence[Item]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss on the answers, and on the rest of what the decoder is to say.

        It says the last answer first, then each hidden token after the sentinel that stands for it.
        """
        sentinels = [tokenizer.convert_tokens_to_ids(name) for name in _SENTINELS]
        texts, targets, kinds = [], [], []
        for item in items:
            *others, last = hidden(item, _HIDDEN_ANSWERS, _HIDDEN_WORDS)
            text, target, is_answer = item.ids[:last], [item.ids[last]], [1]
            for position, sentinel in zip(others, sentinels, strict=False):
                text[position] = sentinel
                target += [sentinel, item.ids[position]]
                is_answer += [0, position in item.places]
            texts.append([*text, tokenizer.eos_token_id])
            targets.append([*target, tokenizer.eos_token_id])
            kinds.append([*is_answer, 0])
        labels = padded(targets, _IGNORED)
        loss = functional.cross_entropy(
            _read(model, texts, labels).flatten(0, 1), labels.flatten(), reduction="none", ignore_index=_IGNORED
        )
        answers = padded(kinds).flatten() == 1
        return loss[answers].mean(), loss[~answers & (labels.flatten() != _IGNORED)].mean()

    def logits(
        self, model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]
    ) -> torch.Tensor:
        """Logits of the first token that the decoder says about each prompt (prompts, vocabulary)."""
        rows = tokenizer(list(prompts))["input_ids"]
        return _read(model, rows, torch.full((len(rows), 1), tokenizer.eos_token_id))[:, 0]


@torch.no_grad()
def _look_near(model: T5ForConditionalGeneration) -> None:
    """Let the heads of the encoder begin with a dislike of what is far: they find their review in a list by it."""
    bias = model.encoder.block[0].layer[0].SelfAttention.relative_attention_bias.weight
    exact = bias.shape[0] // 4
    steps = torch.arange(2 * exact)
    ratio = model.config.relative_attention_max_distance / exact
    distances = torch.where(steps < exact, steps, exact * ratio ** ((steps - exact) / exact))
    bias -= torch.cat([distances, distances])[:, None] * torch.tensor(_SLOPES)


def _read(model: T5ForConditionalGeneration, texts: Sequence[Sequence[int]], labels: torch.Tensor) -> torch.Tensor:
    ids = padded(texts)
    mask = (ids != model.config.pad_token_id).long()
    said: torch.Tensor = model(input_ids=ids, attention_mask=mask, labels=labels, use_cache=False).logits
    return said
