"""Prompts in a model's own chat template: the very ids, no token too many, and data that stay data."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autoprompt_search
from autoprompt_search.backends.hf.chat import ChatTemplate
from autoprompt_search.backends.hf.tokenizer import PromptTokenizer
from autoprompt_search.core.chat import Chat, Conversation, Segment, Turn
from autoprompt_search.core.errors import ConfigError
from autoprompt_search.core.prompts import Prompt, Rendered, Template
from autoprompt_search.core.types import Example
from autoprompt_search.prompting import render
from autoprompt_search.testing.factories import label_answers
from tests.backends.hf import chat_tokenizers as made

MODELS = {"qwen": made.qwen_like, "llama": made.llama_like, "gemma": made.gemma_like, "llama2": made.llama2_like}
PROMPT = Prompt(Template("t", "{text} Ok?"), label_answers({"p": ("yes",), "n": ("no",)}), chat=Chat())
DEMO = Example("d", {"text": "Hi"}, "p")


def example(text: str) -> Example:
    return Example("q", {"text": text}, "n")


def ids(tokenizer: Any, prompt: Rendered) -> list[int]:
    texts = PromptTokenizer(tokenizer)
    (one,) = ChatTemplate(tokenizer).set([prompt])
    return texts.encode_prompts([texts.text_of(one)])[0]


def theirs(tokenizer: Any, said: Conversation, **options: Any) -> list[int]:
    """What transformers makes of it in one call."""
    template = ChatTemplate(tokenizer)
    text = tokenizer.apply_chat_template(
        said.messages, chat_template=template.source, tokenize=False, add_generation_prompt=True, **template.options
    )
    return list(tokenizer(text + said.prefix, add_special_tokens=False, **options)["input_ids"])


THINK = "<think>\n\n</think>\n\n"
GOLDEN: dict[str, list[str]] = {
    "qwen": [
        "<|im_start|>", "system\nBe nice.", "<|im_end|>", "\n", "<|im_start|>", "user\nHi Ok?", "<|im_end|>", "\n",
        "<|im_start|>", "assistant\nIt is yes", "<|im_end|>", "\n", "<|im_start|>", "user\n So Ok?", "<|im_end|>", "\n",
        "<|im_start|>", f"assistant\n{THINK}It is",
    ],
    "llama": [
        "<|begin|>", "<|head|>", "system", "<|/head|>", "\n\nToday: 26 Jul 2024\n\n", "<|eot|>",
        "<|head|>", "user", "<|/head|>", "\n\nHi Ok?", "<|eot|>", "<|head|>", "assistant", "<|/head|>", "\n\nIt is yes",
        "<|eot|>", "<|head|>", "user", "<|/head|>", "\n\nSo Ok?", "<|eot|>", "<|head|>", "assistant", "<|/head|>",
        "\n\nIt is",
    ],
    "gemma": [
        "<bos>", "<start_of_turn>", "user\nHi Ok?", "<end_of_turn>", "\n", "<start_of_turn>", "model\nIt is yes",
        "<end_of_turn>", "\n", "<start_of_turn>", "user\nSo Ok?", "<end_of_turn>", "\n", "<start_of_turn>",
        "model\nIt is",
    ],
    "llama2": ["<s>", "[INST] Hi Ok? [/INST] It is yes ", "</s>", "<s>", "[INST] So Ok? [/INST]It is"],
}  # fmt: skip
"""Special tokens and texts between them, of the query ` So` behind one demonstration, answers beginning `It is`."""


@pytest.mark.parametrize("name", MODELS)
def test_golden_ids(name: str) -> None:
    tokenizer = MODELS[name]()
    prompt = render(replace(PROMPT, chat=Chat(prefix="It is")), example(" So"), [DEMO])
    found = ids(tokenizer, prompt)
    assert found == made.ids_of(tokenizer, *GOLDEN[name])
    assert prompt.conversation is not None
    assert found == theirs(tokenizer, prompt.conversation)


@pytest.mark.parametrize("name", ["llama", "gemma"])
def test_g2_there_is_one_bos_and_it_is_first(name: str) -> None:
    tokenizer = MODELS[name]()
    found = ids(tokenizer, render(PROMPT, example("So"), [DEMO]))
    assert found[0] == tokenizer.bos_token_id
    assert found.count(tokenizer.bos_token_id) == 1
    plain = PromptTokenizer(tokenizer).encode_prompts(["So"])[0]
    assert plain.count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("name", MODELS)
@settings(deadline=None, max_examples=60)
@given(
    texts=st.lists(st.text(st.sampled_from("ab .\n!"), max_size=12), min_size=2, max_size=4),
    prefix=st.sampled_from(["", "It is"]),
    demos=st.sampled_from(["turns", "message"]),
)
def test_the_ids_are_those_of_one_call_of_transformers(name: str, texts: list[str], prefix: str, demos: str) -> None:
    tokenizer = MODELS[name]()
    chat = replace(PROMPT, chat=Chat(prefix=prefix, demos=demos), instruction="Say.")
    examples = [Example(f"d{i}", {"text": text}, "p") for i, text in enumerate(texts[1:])]
    prompt = render(chat, example(texts[0]), examples)
    assert prompt.conversation is not None
    assert ids(tokenizer, prompt) == theirs(tokenizer, prompt.conversation)


@pytest.mark.parametrize("name", MODELS)
def test_special_tokens_in_data_are_text(name: str) -> None:
    tokenizer = MODELS[name]()
    markers = [token.content for token in tokenizer.added_tokens_decoder.values()]
    clean = ids(tokenizer, render(PROMPT, example("So")))
    for marker in markers:
        prompt = render(PROMPT, example(f"So {marker} then"))
        found = ids(tokenizer, prompt)
        special = tokenizer.convert_tokens_to_ids(marker)
        assert found.count(special) == clean.count(special), f"{marker} in data became a token"
        assert prompt.conversation is not None
        sanitised = tokenizer.apply_chat_template(
            prompt.conversation.messages, chat_template=ChatTemplate(tokenizer).source, add_generation_prompt=True,
            sanitize_control_tokens=True, return_dict=False, **ChatTemplate(tokenizer).options,
        )  # fmt: skip
        assert found == list(sanitised)


def test_data_cannot_forge_a_mark() -> None:
    tokenizer = made.qwen_like()
    forged = "".join(chr(0x10F000 + i) for i in range(6))
    found = ids(tokenizer, render(PROMPT, example(forged)))
    clean = ids(tokenizer, render(PROMPT, example("")))
    for special in tokenizer.all_special_ids:
        assert found.count(special) == clean.count(special)


@pytest.mark.parametrize("name", MODELS)
def test_answers_are_joined_as_the_joined_text_is_read(name: str) -> None:
    tokenizer = MODELS[name]()
    texts = PromptTokenizer(tokenizer)
    rows = [example(text) for text in ("So", "a longer text", "with <|im_end|> and </s> inside", "So. " * 80)]
    chat = replace(PROMPT, chat=Chat(prefix="It is"))
    prompts = [render(chat, row, [DEMO]) for row in [*rows, *rows[:1]]]
    marked = [texts.text_of(one) for one in ChatTemplate(tokenizer).set(prompts)]
    joined = texts.join(marked, [" yes", " no"])
    for text, one in zip(marked, joined, strict=True):
        for answer, whole, start in zip([" yes", " no"], one.whole, one.starts, strict=True):
            assert list(whole) == texts.encode_prompts([text + answer])[0]
            assert list(whole[:start]) == one.prompt[:start]
            assert start < len(whole)


def test_g3_the_system_message_is_ours_the_instruction_or_the_templates_own_and_can_be_read() -> None:
    tokenizer = made.qwen_like()

    def text(chat: Chat, instruction: str = "") -> str:
        (one,) = ChatTemplate(tokenizer).set(
            [render(replace(PROMPT, chat=chat, instruction=instruction), example("So"))]
        )
        return one.text

    assert "system\nBe nice.<|im_end|>" in text(Chat())
    assert text(Chat(system="Judge.")).startswith("<|im_start|>system\nJudge.<|im_end|>\n<|im_start|>user\nSo Ok?")
    moved = text(Chat(has_system_instruction=True), "Judge.")
    assert moved == text(Chat(system="Judge."))
    assert "user\nJudge.\n\nSo Ok?" in text(Chat(), "Judge.")


@pytest.mark.slow
def test_g3_the_clock_of_a_template_is_stopped() -> None:
    """Two renders a day apart are equal, because a template cannot learn what day it is."""
    code = (
        "from tests.backends.hf import chat_tokenizers as made\n"
        "import transformers.utils.chat_template_utils as inside, datetime\n"
        "class Later(datetime.datetime):\n"
        "    @classmethod\n"
        "    def now(cls, tz=None): return cls(2031, 2, 3)\n"
        "inside.datetime = Later\n"
        "from autoprompt_search.backends.hf.chat import ChatTemplate\n"
        "from autoprompt_search.core.chat import Conversation, Segment, Turn\n"
        "tokenizer = made.llama_like()\n"
        "said = Conversation((Turn('user', (Segment('Hi'),)),))\n"
        "assert '2031' in tokenizer.apply_chat_template(said.messages, tokenize=False)\n"
        "assert 'Today: 26 Jul 2024' in ChatTemplate(tokenizer).text(said)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, "the model has no chat template"),
        ("{% for m in messages %}{{ m['content'] }", "line 1 cannot be used"),
        ("{{ raise_exception('no thanks') }}", "no thanks"),
        ("{{ messages[0]['content'] | upper }}", "leaves a message out"),
        ("{% for m in messages %}{{ m['content'] | replace('\\n', ' ') }}{% endfor %}", "changes the texts"),
        ("{{ messages[0].nothing.at.all }}", "cannot be used"),
    ],
)
def test_a_template_that_cannot_be_used_is_one_clear_error(template: str | None, words: str) -> None:
    tokenizer = made.letters(template, ["<|end|>"], eos="<|end|>")
    with pytest.raises(ConfigError, match=words):
        ChatTemplate(tokenizer).set([render(PROMPT, example("So"))])


def test_a_system_message_that_is_refused_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match=r"System role not supported .*leave layout\.system at none"):
        ChatTemplate(made.gemma_like()).set([render(replace(PROMPT, chat=Chat(system="x")), example("So"))])


def test_prompts_without_turns_pass_untouched() -> None:
    plain = Rendered((Segment("So", "field:text"),))
    assert ChatTemplate(made.gpt2_like()).set([plain]) == [plain]


def test_what_the_template_writes_has_an_origin_of_its_own() -> None:
    said = Conversation((Turn("user", (Segment("Ask: "), Segment(" So ", "field:text"))),), "It is")
    (one,) = ChatTemplate(made.llama_like()).set([Rendered((), conversation=said)])
    kinds = [(s.origin, s.text) for s in one.segments]
    assert [k for k, _ in kinds] == ["chat", "template", "field:text", "chat", "template"]
    assert kinds[2][1] == " So"  # trimmed as the template trims it
    assert one.conversation is None


@pytest.mark.parametrize("name", MODELS)
def test_g4_what_transformers_wraps_the_ids_in_does_not_matter(name: str) -> None:
    """Its fifth version returns a mapping where the fourth returned a list: we only ever ask it for the text."""
    tokenizer = MODELS[name]()
    said = Conversation((Turn("user", (Segment("So it goes"),)),))
    template = ChatTemplate(tokenizer)
    options = {"chat_template": template.source, "add_generation_prompt": True, **template.options}
    wrapped = tokenizer.apply_chat_template(said.messages, **options)
    ids = wrapped if isinstance(wrapped, list) else wrapped["input_ids"]
    texts = PromptTokenizer(tokenizer)
    (one,) = template.set([Rendered((), conversation=said)])
    assert texts.encode_prompts([texts.text_of(one)])[0] == list(ids)


def test_g4_one_place_asks_transformers_for_a_chat() -> None:
    root = Path(autoprompt_search.__file__).parent
    callers = [p for p in root.rglob("*.py") if "tokenizer.apply_chat_template(" in p.read_text(encoding="utf-8")]
    assert [p.relative_to(root).as_posix() for p in callers if "exporters" not in p.parts] == ["backends/hf/chat.py"]
