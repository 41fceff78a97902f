"""The plain way to score: one joined text at a time, all logits. Slow, and what every fast way must equal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from autoprompt_search.core.answers import Completion
from autoprompt_search.core.arrays import Floats


@torch.no_grad()
def plain_logliks(model: Any, tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
    """[prompts, answers] natural log-probabilities of each answer after each prompt.

    What is scored are the tokens of prompt + answer, tokenised as one text, from the first one that differs
    from the prompt's own tokens.

    Args:
        model: A causal LM of transformers.
        tokenizer: Its tokenizer; special tokens written in a text are read as text.
        prompts: Texts.
        answers: Exact continuations.
    """
    out = np.zeros((len(prompts), len(answers)), dtype=np.float32)
    for row, prompt in enumerate(prompts):
        alone = tokenizer(prompt, split_special_tokens=True)["input_ids"]
        for column, answer in enumerate(answers):
            ids = tokenizer(prompt + answer, split_special_tokens=True)["input_ids"]
            start = 0
            while start < min(len(alone), len(ids)) and alone[start] == ids[start]:
                start += 1
            logits = model(input_ids=torch.tensor([ids], device=model.device)).logits[0].float()
            logprobs = logits.log_softmax(-1)
            out[row, column] = sum(float(logprobs[i - 1, ids[i]]) for i in range(start, len(ids)))
    return out


@torch.no_grad()
def plain_masked_logliks(model: Any, tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
    """[prompts, answers]: each answer in the masks behind each prompt, token by token from left to right.

    Args:
        model: A masked LM of transformers.
        tokenizer: Its tokenizer.
        prompts: Texts.
        answers: Texts; each token takes one mask.
    """
    out = np.zeros((len(prompts), len(answers)), dtype=np.float32)
    for row, prompt in enumerate(prompts):
        framed = tokenizer(prompt, split_special_tokens=True)["input_ids"]
        for column, answer in enumerate(answers):
            word = tokenizer(answer, split_special_tokens=True, add_special_tokens=False)["input_ids"]
            for step, token in enumerate(word):
                masks = [tokenizer.mask_token_id] * (len(word) - step)
                ids = torch.tensor([[*framed[:-1], *word[:step], *masks, framed[-1]]])
                logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].float()
                out[row, column] += float(logits[len(framed) - 1 + step].log_softmax(-1)[token])
    return out


@torch.no_grad()
def plain_seq2seq_logliks(model: Any, tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
    """[prompts, answers]: each answer's own tokens by the decoder, one prompt and answer at a time.

    Args:
        model: A sequence-to-sequence LM of transformers.
        tokenizer: Its tokenizer; what it puts before a text stands before the answer, too.
        prompts: Texts.
        answers: Texts.
    """
    out = np.zeros((len(prompts), len(answers)), dtype=np.float32)
    for row, prompt in enumerate(prompts):
        ids = torch.tensor([tokenizer(prompt, split_special_tokens=True)["input_ids"]])
        for column, answer in enumerate(answers):
            bare = tokenizer(answer, split_special_tokens=True, add_special_tokens=False)["input_ids"]
            full = tokenizer(answer, split_special_tokens=True)["input_ids"]
            before = full[: full.index(bare[0])]
            decoder = [model.config.decoder_start_token_id, *before, *bare]
            logits = model(input_ids=ids, decoder_input_ids=torch.tensor([decoder])).logits[0].float().log_softmax(-1)
            start = len(decoder) - len(bare)
            out[row, column] = sum(float(logits[start + i - 1, token]) for i, token in enumerate(bare))
    return out


def exclusive_logliks(words: Sequence[Sequence[int]], following: Callable[[Sequence[int]], Floats]) -> list[float]:
    """Natural log-probability of each word's tokens and no longer word of the list behind them, read to the end.

    Token by token from the end of a word: the chance that the text goes on to none of the longer ones.

    Args:
        words: Ids of each answer.
        following: Ids read so far to [vocabulary] natural log-probabilities of the next.
    """
    spelled = [tuple(word) for word in words]

    def left(read: tuple[int, ...]) -> float:
        nexts = {word[len(read)] for word in spelled if len(word) > len(read) and word[: len(read)] == read}
        chances = np.exp(following(read).astype(np.float64))
        ends = {token for token in nexts if (*read, token) in spelled}
        gone = float(np.delete(chances, list(nexts)).sum())
        return gone + sum(float(chances[token]) * left((*read, token)) for token in nexts - ends)

    return [
        sum(float(following(word[:i])[token]) for i, token in enumerate(word)) + float(np.log(left(word)))
        for word in spelled
    ]


@torch.no_grad()
def plain_exclusive_logliks(model: Any, tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]) -> Floats:
    """[prompts, answers] of a causal LM where answers may begin one another; otherwise what `plain_logliks` gives."""
    out = np.zeros((len(prompts), len(answers)), dtype=np.float32)
    for row, prompt in enumerate(prompts):
        whole = [tokenizer(prompt + answer, split_special_tokens=True)["input_ids"] for answer in answers]
        alone = tokenizer(prompt, split_special_tokens=True)["input_ids"]
        starts = [_leaves(alone, ids) for ids in whole]
        for start in set(starts):  # answers that merge with the prompt leave it earlier, and exclude the others
            some = [i for i, one in enumerate(starts) if one == start]

            def following(ids: Sequence[int], start: int = start, alone: Sequence[int] = tuple(alone)) -> Floats:
                read = torch.tensor([[*alone[:start], *ids]], device=model.device)
                return model(input_ids=read).logits[0, -1].double().log_softmax(-1).cpu().numpy()  # type: ignore[no-any-return]

            out[row, some] = exclusive_logliks([whole[i][start:] for i in some], following)
    return out


def _leaves(alone: Sequence[int], whole: Sequence[int]) -> int:
    pairs = enumerate(zip(alone, whole, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(alone), len(whole)))


@torch.no_grad()
def plain_exclusive_seq2seq_logliks(
    model: Any, tokenizer: Any, prompts: Sequence[str], answers: Sequence[str]
) -> Floats:
    """The same of a sequence-to-sequence LM, as `plain_seq2seq_logliks` reads it."""
    words = [tokenizer(a, split_special_tokens=True, add_special_tokens=False)["input_ids"] for a in answers]
    full = tokenizer(answers[0], split_special_tokens=True)["input_ids"]
    opening = [model.config.decoder_start_token_id, *full[: full.index(words[0][0])]]
    out = np.zeros((len(prompts), len(answers)), dtype=np.float32)
    for row, prompt in enumerate(prompts):
        source = torch.tensor([tokenizer(prompt, split_special_tokens=True)["input_ids"]])

        def following(ids: Sequence[int], source: torch.Tensor = source) -> Floats:
            decoder = torch.tensor([[*opening, *ids]])
            logits = model(input_ids=source, decoder_input_ids=decoder).logits[0, -1]
            return logits.double().log_softmax(-1).numpy()  # type: ignore[no-any-return]

        out[row] = exclusive_logliks(words, following)
    return out


@torch.no_grad()
def plain_completions(model: Any, tokenizer: Any, prompts: Sequence[str], tokens: int) -> list[Completion]:
    """The greedy answer to each prompt, by transformers' own `generate`, one prompt at a time.

    The text is what the new tokens add to the prompt's, as decoding both together shows it.

    Args:
        model: A causal or a sequence-to-sequence LM of transformers.
        tokenizer: Its tokenizer; special tokens written in a text are read as text.
        prompts: Texts.
        tokens: Most new tokens.
    """
    completions = []
    ends = model.generation_config.eos_token_id
    ends = ends if isinstance(ends, list) else [ends]
    for prompt in prompts:
        ids = torch.tensor([tokenizer(prompt, split_special_tokens=True)["input_ids"]], device=model.device)
        mask = torch.ones_like(ids)
        whole = model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=tokens, do_sample=False, num_beams=1, pad_token_id=0
        )[0].tolist()
        before = [] if model.config.is_encoder_decoder else ids[0].tolist()
        new = whole[1:] if model.config.is_encoder_decoder else whole[len(before) :]
        finish = "end" if new[-1] in ends else "length"
        shown = [tokenizer.decode(some, skip_special_tokens=True) for some in (before, before + new)]
        completions.append(Completion(shown[1][len(shown[0]) :], finish, len(new)))
    return completions
