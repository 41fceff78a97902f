"""All the texts of a search by name, and how a point of the space picks among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from autoprompt_search.core.answers import (
    LETTER,
    AnswerForm,
    Answers,
    Asking,
    LabelAnswers,
    OptionAnswers,
    TextAnswers,
    Verbalizer,
)
from autoprompt_search.core.chat import Chat
from autoprompt_search.core.prompts import Layout, Prompt, Template
from autoprompt_search.core.types import Params
from autoprompt_search.prompting.render import premise_of

LAYOUT = "layout."
ANSWER = "answer."
NAME = "layout.name."
TEXT = ".text"
"""`instruction.text`, `template.text`: behind the address of a value that the search has written, its text."""
LIKE = ".like"
"""`template.like`: the template of the book whose words and instruction a written one keeps."""
SLOT = "new-"
"""Beginning of the values that stand for written texts: `new-1`, `new-2`, ..."""
AUTO = "auto"
"""The verbalizer whose words the model proposes."""
LAYOUT_PARAMS = ("layout.separator", "layout.demo_separator", "layout.casing", "layout.answer_gap", "layout.answer")
"""Addresses of the layout besides `layout.name.<Name>`."""
STYLE, STYLE_PICK = "style", "style.pick"
"""The style of the template, and which of the templates of that style it is, counted from 0 and around."""
CHAT_PARAMS = ("layout.chat", "layout.system", "layout.chat_demos", "layout.answer_prefix")
"""Addresses of the chat; all but the first mean nothing where `layout.chat` is `none`."""
CHAT_VALUES: Mapping[str, tuple[str, ...]] = {
    "layout.chat": ("none", "template"),
    "layout.chat_demos": ("turns", "message"),
}
"""Chat parameters whose values are fixed words; those of the others are texts, or `none`."""
INSTRUCTION = "instruction"
"""The value of `layout.system` that makes the instruction the system message."""


ANSWER_PARAMS = ("answer.by", "answer.parser", "answer.tokens", "answer.normalise")
"""Addresses that say how answers are asked for and read."""
_PARSERS = {"label": "first-label", "labels": "all-labels", "option": LETTER, "text": "verbatim", "program": "program"}
"""Kind of answer -> the parser of generated text where nobody names one."""


@dataclass(frozen=True, slots=True)
class PromptBook:
    """The templates, instructions and verbalizers that parameters refer to by name."""

    templates: Mapping[str, Template]
    words: Mapping[str, Verbalizer] = field(default_factory=dict)
    """Template name -> the verbalizer written with it."""
    intros: Mapping[str, str] = field(default_factory=dict)
    """Template name -> the instruction written with it."""
    instructions: Mapping[str, str] = field(default_factory=dict)
    verbalizers: Mapping[str, Verbalizer] = field(default_factory=dict)
    form: AnswerForm = field(default_factory=AnswerForm)
    """What the task's answers are."""
    asking: Asking = field(default_factory=Asking)
    """How they are asked for and read where a parameter does not say otherwise."""

    def compose(self, params: Params) -> Prompt:
        """The textual prompt at `params`, without demonstrations and soft prompt.

        A value that the search has written comes with its text, see `TEXT`, and is no name of the book.
        A parameter wins over what is written with the template; a label is its own word where no
        verbalizer says otherwise, and until the model has proposed others where it is `auto`.
        """
        value = str(params.get("template", self._of_style(params)))
        name = str(params.get("template" + LIKE, value))
        template = self.templates[name]
        if "template" + TEXT in params:
            template = replace(template, name=value, text=str(params["template" + TEXT]))
        return Prompt(
            template=template,
            answers=self._answers(name, params, template),
            instruction=self._instruction(name, params),
            layout=_layout(params),
            chat=_chat(params),
        )

    def _of_style(self, params: Params) -> str:
        """The template of the wanted style; the first of all where none is wanted."""
        if STYLE not in params:
            return next(iter(self.templates))
        fitting = [name for name, template in self.templates.items() if template.style == params[STYLE]]
        return fitting[int(params.get(STYLE_PICK, 0)) % len(fitting)]

    @property
    def texts(self) -> dict[str, dict[str, str]]:
        """Parameter -> value -> what that value says, for those who compare prompts by what they say."""
        templates = {
            name: "\n".join([self.intros.get(name, ""), template.text, _words(self.words.get(name, {}))])
            for name, template in self.templates.items()
        }
        verbalizers = {name: _words(words) for name, words in self.verbalizers.items()}
        styles = dict.fromkeys(template.style for template in self.templates.values())
        return {
            "template": templates,
            STYLE: {s: "\n".join(templates[n] for n, t in self.templates.items() if t.style == s) for s in styles},
            "instruction": {"none": "", **self.instructions},
            "verbalizer": {AUTO: _words(self._own_words()), **verbalizers},
        }

    def way(self, params: Params) -> str:
        """`likelihood` or `text`: how a prompt at `params` gets its answers."""
        usual = "likelihood" if self.form.kind in ("label", "option") else "text"
        return str(params.get(ANSWER + "by", self.asking.by or usual))

    def _answers(self, name: str, params: Params, template: Template) -> Answers:
        """The answers of the template of this name, whose text the search may have written."""
        words = self._verbalizer(name, params) if self.form.labels else {}
        if self.way(params) == "text":
            return self._written(words, params)
        normalise = str(params.get(ANSWER + "normalise", self.asking.normalise))
        premise = (self.asking.premise or premise_of(template.text, _layout(params))) if self.asking.has_pmi else None
        if self.form.kind == "option":
            return OptionAnswers(normalise, premise)
        return LabelAnswers(self.form.labels, words, None, normalise, premise if normalise != "none" else None)

    def _written(self, words: Verbalizer, params: Params) -> TextAnswers:
        name = str(params.get(ANSWER + "parser", self.asking.parser or _PARSERS[self.form.kind]))
        parser, options = self.asking.parsers.get(name, (name, {}))
        tokens = int(params.get(ANSWER + "tokens", self.asking.limits.tokens))
        return TextAnswers(replace(self.asking.limits, tokens=tokens), parser, options, self.form.labels, words)

    def _verbalizer(self, template: str, params: Params) -> Verbalizer:
        if params.get("verbalizer") == AUTO:
            return self._own_words()
        if "verbalizer" in params:
            return self.verbalizers[str(params["verbalizer"])]
        if template in self.words:
            return self.words[template]
        if len(self.verbalizers) == 1:
            return next(iter(self.verbalizers.values()))
        return self._own_words()

    def _own_words(self) -> Verbalizer:
        return {label: (label,) for label in self.form.labels}

    def _instruction(self, template: str, params: Params) -> str:
        if "instruction" not in params:
            return self.intros.get(template, "")
        if "instruction" + TEXT in params:
            return str(params["instruction" + TEXT])
        name = str(params["instruction"])
        return "" if name == "none" else self.instructions[name]


def _words(verbalizer: Verbalizer) -> str:
    return "; ".join(f"{label}: {', '.join(words)}" for label, words in verbalizer.items())


def _chat(params: Params) -> Chat | None:
    if params.get("layout.chat", "none") == "none":
        return None
    default = Chat()
    system, prefix = (str(params.get(name, "none")) for name in ("layout.system", "layout.answer_prefix"))
    return Chat(
        system="" if system in ("none", INSTRUCTION) else system,
        has_system_instruction=system == INSTRUCTION,
        demos=str(params.get("layout.chat_demos", default.demos)),
        prefix="" if prefix == "none" else prefix,
    )


def _layout(params: Params) -> Layout:
    default = Layout()
    return Layout(
        separator=str(params.get("layout.separator", default.separator)),
        demo_separator=str(params.get("layout.demo_separator", default.demo_separator)),
        casing=str(params.get("layout.casing", default.casing)),
        answer_gap=str(params.get("layout.answer_gap", default.answer_gap)),
        answer=str(params.get("layout.answer", default.answer)),
        names={n.removeprefix(NAME): str(v) for n, v in params.items() if n.startswith(NAME)},
    )
