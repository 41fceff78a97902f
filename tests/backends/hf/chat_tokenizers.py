"""Small tokenizers with chat templates of the kinds that are in use, written here in our own words.

Vocabularies are letters and special tokens, so that a person can write down the ids that a text must have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

CHATML = """\
{%- if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nBe nice.<|im_end|>\\n' }}{% endif %}
{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}
{%- endif %}"""
"""As Qwen's and SmolLM's: a system message of its own where there is none, and thoughts that can be switched off."""

HEADERS = """\
{{- bos_token }}
{%- set today = strftime_now('%d %b %Y') %}
{%- if messages[0]['role'] == 'system' %}
  {%- set system = messages[0]['content'] | trim %}{%- set rest = messages[1:] %}
{%- else %}
  {%- set system = '' %}{%- set rest = messages %}
{%- endif %}
{{- '<|head|>system<|/head|>\\n\\nToday: ' + today + '\\n\\n' + system + '<|eot|>' }}
{%- for message in rest %}
  {{- '<|head|>' + message['role'] + '<|/head|>\\n\\n' + message['content'] | trim + '<|eot|>' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|head|>assistant<|/head|>\\n\\n' }}{%- endif %}"""
"""As Llama 3's: writes BOS and today's date, and trims messages."""

TURNS = """\
{{ bos_token }}
{%- for message in messages %}
{%- if message['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{%- set name = 'model' if message['role'] == 'assistant' else message['role'] %}
{{- '<start_of_turn>' + name + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"""
"""As Gemma's: writes BOS, refuses system messages, calls the assistant the model."""

BRACKETS = """\
{%- for message in messages %}
{%- if message['role'] == 'user' %}{{ bos_token + '[INST] ' + message['content'] | trim + ' [/INST]' }}
{%- elif message['role'] == 'assistant' %}{{ ' ' + message['content'] | trim + ' ' + eos_token }}
{%- else %}{{ raise_exception('Only user and assistant roles are supported') }}{% endif %}
{%- endfor %}"""
"""As Llama 2's: BOS before every question, words of the text as markup, no generation prompt."""


def letters(
    template: str | None, specials: Sequence[str], *, bos: str = "", eos: str = "", adds_bos: bool = False
) -> Any:
    """A byte-level tokenizer with one token per byte; see `ids_of`."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _finished(tokenizer, template, specials, bos, eos, adds_bos)


def pieces(template: str | None, specials: Sequence[str], *, first: bool, bos: str, eos: str) -> Any:
    """A tokenizer as SentencePiece's, one token per letter, that puts BOS before a text.

    Args:
        template: Its chat template.
        specials: Special tokens.
        first: Whether it puts a blank before the first word of a text, as Llama 2's does.
        bos: One of them.
        eos: One of them.
    """
    alphabet = [*(chr(i) for i in range(33, 127)), "\u2581", "\n", "<unk>"]
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, [], unk_token="<unk>"))  # noqa: S106
    if first:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
    return _finished(tokenizer, template, specials, bos, eos, adds_bos=True)


def _finished(
    tokenizer: Tokenizer, template: str | None, specials: Sequence[str], bos: str, eos: str, adds_bos: bool
) -> Any:
    tokenizer.add_special_tokens(list(specials))
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{bos} $A", pair=f"{bos} $A {bos} $B", special_tokens=[(bos, tokenizer.token_to_id(bos))]
        )
    named = {name: token for name, token in (("bos_token", bos), ("eos_token", eos)) if token}
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)
    made.chat_template = template
    return made


def qwen_like() -> Any:
    return letters(CHATML, ["<|end|>", "<|im_start|>", "<|im_end|>"], eos="<|im_end|>")


def llama_like() -> Any:
    specials = ["<|begin|>", "<|head|>", "<|/head|>", "<|eot|>"]
    return letters(HEADERS, specials, bos="<|begin|>", eos="<|eot|>", adds_bos=True)


def gemma_like() -> Any:
    specials = ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"]
    return pieces(TURNS, specials, first=False, bos="<bos>", eos="<eos>")


def llama2_like() -> Any:
    return pieces(BRACKETS, ["<s>", "</s>"], first=True, bos="<s>", eos="</s>")


def gpt2_like() -> Any:
    return letters(None, ["<|endoftext|>"], bos="<|endoftext|>", eos="<|endoftext|>")


def ids_of(tokenizer: Any, *parts: str) -> list[int]:
    """Ids of special tokens and of letters, written down one by one."""
    vocabulary, specials = tokenizer.get_vocab(), tokenizer.all_special_tokens
    added = {t.content for t in tokenizer.added_tokens_decoder.values()}
    found: list[int] = []
    for part in parts:
        if part in specials or part in added:
            found.append(vocabulary[part])
        elif "\u2581" in vocabulary:
            found += [vocabulary["\u2581" if c == " " else c] for c in part]
        else:
            table = _bytes_to_letters()
            found += [vocabulary[table[b]] for b in part.encode()]
    return found


def _bytes_to_letters() -> dict[int, str]:
    """GPT-2's way to write bytes as visible letters."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(others)}
