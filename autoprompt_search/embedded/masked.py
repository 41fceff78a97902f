"""The family of `builtin:bert`: reads in both directions and is asked for the token under a mask at the end."""

from collections.abc import Sequence

import torch
from tokenizers.processors import TemplateProcessing
from torch.nn import functional
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from autoprompt_search.embedded.batches import CONTEXT, LISTS, Course, Item, hidden, padded
from autoprompt_search.embedded.tokens import learn

_PAD, _CLS, _SEP, _MASK = _SPECIALS = ("[PAD]", "[CLS]", "[SEP]", "[MASK]")
_BEHIND = 10
"""How many tokens before its own the first head of each layer looks to begin with."""
_HIDDEN_ANSWERS, _HIDDEN_WORDS = 0.6, 0.15


class Masked:
    """A small BERT, asked for the token under a mask."""

    loader = BertForMaskedLM
    steps = 6000
    rate = 7e-4
    course = Course(tokens=1280, lessons=LISTS)

    def new_tokenizer(self, seed: int) -> PreTrainedTokenizerFast:
        """Writes [CLS] before a text and [SEP] after it."""
        core = learn(seed, _SPECIALS)
        core.post_processor = TemplateProcessing(
            single=f"{_CLS} $A {_SEP}",
            pair=f"{_CLS} $A {_SEP} $B:1 {_SEP}:1",
            special_tokens=[(name, core.token_to_id(name)) for name in (_CLS, _SEP)],
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=core,
            pad_token=_PAD,
            cls_token=_CLS,
            sep_token=_SEP,
            mask_token=_MASK,
            model_max_length=CONTEXT,
            clean_up_tokenization_spaces=False,
        )

    def new_model(self, tokenizer: PreTrainedTokenizerFast) -> BertForMaskedLM:
        """A small BERT: absolute positions, tied embeddings, no dropout (no document comes twice)."""
        model = BertForMaskedLM(
            BertConfig(
                vocab_size=len(tokenizer),
                hidden_size=128,
                intermediate_size=384,
                num_hidden_layers=4,
                num_attention_heads=4,
                max_position_embeddings=CONTEXT,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
                initializer_range=0.08,
                pad_token_id=tokenizer.pad_token_id,
            )
        )
        _look_behind(model)
        return model

    def losses(
        self, model: BertForMaskedLM, tokenizer: PreTrainedTokenizerFast, items: Sequence[Item]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss on the masked answers, and on the other masked tokens."""
        rows, cells, wanted, is_answer = [], [], [], []
        for number, item in enumerate(items):
            ids = [tokenizer.cls_token_id, *item.ids[: item.places[-1] + 1], tokenizer.sep_token_id]
            for position in hidden(item, _HIDDEN_ANSWERS, _HIDDEN_WORDS):
                cells.append((number, position + 1))
                wanted.append(item.ids[position])
                is_answer.append(position in item.places)
                ids[position + 1] = tokenizer.mask_token_id
            rows.append(ids)
        loss = functional.cross_entropy(_at(model, rows, cells), torch.tensor(wanted), reduction="none")
        answers = torch.tensor(is_answer)
        return loss[answers].mean(), loss[~answers].sum() / max(1, len(wanted) - sum(is_answer))

    def logits(
        self, model: BertForMaskedLM, tokenizer: PreTrainedTokenizerFast, prompts: Sequence[str]
    ) -> torch.Tensor:
        """Logits under a mask after each prompt (prompts, vocabulary)."""
        rows = tokenizer([prompt + _MASK for prompt in prompts])["input_ids"]
        return _at(model, rows, [(number, len(row) - 2) for number, row in enumerate(rows)])


@torch.no_grad()
def _look_behind(model: BertForMaskedLM) -> None:
    """Give the first head of each layer a sense of what is near: the rest finds its review in a list by it.

    Positions begin as sinusoids in as many dimensions as a head has; there this head is the identity, and its
    queries are those of an earlier position.
    """
    positions = model.bert.embeddings.position_embeddings.weight
    width = model.config.hidden_size // model.config.num_attention_heads
    speeds = CONTEXT ** -torch.linspace(0, 1, width // 2)
    angles = torch.arange(CONTEXT)[:, None] * speeds
    positions.zero_()[:, :width] = 2 * model.config.initializer_range * torch.cat([angles.sin(), angles.cos()], dim=1)
    cos, sin = ((speeds * _BEHIND).cos().diag(), (speeds * _BEHIND).sin().diag())
    for layer in model.bert.encoder.layer:
        head = layer.attention.self
        head.key.weight[:width] = torch.eye(width, model.config.hidden_size)
        head.query.weight[:width].zero_()[:, :width] = torch.cat([torch.cat([cos, -sin], 1), torch.cat([sin, cos], 1)])


def _at(model: BertForMaskedLM, rows: Sequence[Sequence[int]], cells: Sequence[tuple[int, int]]) -> torch.Tensor:
    """Logits at these (row, place) cells."""
    ids = padded(rows)
    states = model.bert(input_ids=ids, attention_mask=(ids != model.config.pad_token_id).long()).last_hidden_state
    numbers, places = (torch.tensor(column) for column in zip(*cells, strict=True))
    logits: torch.Tensor = model.cls(states[numbers, places])
    return logits
