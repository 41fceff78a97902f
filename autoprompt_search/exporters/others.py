"""The best prompt in the forms of other tools, each with golden items. Knows their formats, imports none of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.core.slotted import Piece, fields_of
from autoprompt_search.exporters.portable import Portable, as_json, messages, portable, turns_of, write_folder

_JINJA = re.compile(r"\{[{%#]|\{*(?:[}%#]\}|\r|\n\Z)|\{\Z")
"""What Jinja and Nunjucks read as their own, turn into other line ends, or drop at the end, with a brace before it."""


class Messages:
    """OpenAI's chat format: `messages.json`, with `{{field}}` for each field, and every golden item filled in."""

    def export(self, final: FinalPrompt, folder: Path) -> Path:
        """Write `exports/messages`."""
        shown = portable(final)

        def write(piece: Piece) -> str:
            return "{{" + shown.variables[piece.text] + "}}" if piece.is_field else piece.text

        content = {"fields": list(shown.variables.values()), "messages": messages(shown.turns, write)}
        return write_folder(folder, "messages", {"messages.json": as_json(content)}, shown)


class Jinja:
    """Jinja: `prompt.jinja`, or `messages.json` with a template in each message of a conversation."""

    def export(self, final: FinalPrompt, folder: Path) -> Path:
        """Write `exports/jinja`."""
        shown = portable(final)
        said = messages(shown.turns, lambda piece: jinja(piece, shown))
        files = {"messages.json": as_json(said)} if shown.is_chat else {"prompt.jinja": said[0]["content"]}
        return write_folder(folder, "jinja", files, shown)


class Langchain:
    """LangChain: `prompt.json`, which `langchain_core.load.loads` turns into a prompt template."""

    def export(self, final: FinalPrompt, folder: Path) -> Path:
        """Write `exports/langchain`."""
        shown = portable(final)

        def write(piece: Piece) -> str:
            doubled = piece.text.replace("{", "{{").replace("}", "}}")
            return "{" + shown.variables[piece.text] + "}" if piece.is_field else doubled

        templates = [
            _made("prompt", "PromptTemplate", template=text["content"], template_format="f-string",
                  input_variables=sorted({shown.variables[p.text] for p in turn.pieces if p.is_field}))
            for turn, text in zip(shown.turns, messages(shown.turns, write), strict=True)
        ]  # fmt: skip
        whole = templates[0]
        if shown.is_chat:
            kinds = {"system": "System", "user": "Human", "assistant": "AI"}
            said = [
                _made("chat", f"{kinds[turn.role]}MessagePromptTemplate", prompt=template)
                for turn, template in zip(shown.turns, templates, strict=True)
            ]
            whole = _made("chat", "ChatPromptTemplate", messages=said, input_variables=sorted(shown.variables.values()))
        return write_folder(folder, "langchain", {"prompt.json": as_json(whole)}, shown)


def _made(module: str, name: str, **values: Any) -> dict[str, Any]:
    return {"lc": 1, "type": "constructor", "id": ["langchain", "prompts", module, name], "kwargs": values}


class Dspy:
    """DSPy: `program.json`, the state of `dspy.Predict` with the same fields.

    DSPy writes prompts itself: instruction and demonstrations are the search's, the layout is DSPy's.
    """

    def export(self, final: FinalPrompt, folder: Path) -> Path:
        """Write `exports/dspy`."""
        shown = portable(final)
        prompt = shown.final.prompt
        inputs = [name for name in shown.variables if name in prompt_fields(shown)]
        demos = () if prompt.demos.per_query else prompt.demos.examples
        told = prompt.instruction or f"Answer as in: {_template(shown)}"
        if shown.final.labels:
            told += f"\nThe answer is one of: {', '.join(shown.final.labels)}."
        state: dict[str, Any] = {
            "traces": [],
            "train": [],
            "demos": [
                {**{shown.variables[name]: demo.inputs[name] for name in inputs}, "answer": demo.target}
                for demo in demos
            ],
            "signature": {
                "instructions": told,
                "fields": [
                    *({"prefix": f"{_title(n)}:", "description": "${" + shown.variables[n] + "}"} for n in inputs),
                    {"prefix": "Answer:", "description": "${answer}"},
                ],
            },
            "lm": None,
            "metadata": {"dependency_versions": {}},
        }
        signature = f"{', '.join(shown.variables[name] for name in inputs)} -> answer"
        how = f'import dspy\n\nprogram = dspy.Predict("{signature}")\nprogram.load("program.json")\n'
        return write_folder(folder, "dspy", {"program.json": as_json(state), "load.py": how}, shown)


class Promptfoo:
    """promptfoo: `promptfooconfig.yaml`, which compares the baseline with the best prompt on the golden items."""

    def export(self, final: FinalPrompt, folder: Path) -> Path:
        """Write `exports/promptfoo`."""
        shown = portable(final)
        prompts = [{"label": "best", "raw": _raw(shown)}]
        baseline = shown.final.baseline or final.baseline
        if baseline is not None:
            turns = turns_of(baseline)
            if set(fields_of(turns)) <= set(shown.variables):
                before = Portable(final.name, turns, shown.variables, (), (), final)
                prompts.insert(0, {"label": "baseline", "raw": _raw(before)})
        config = {
            "description": f"{final.name}: baseline against best prompt",
            "prompts": prompts,
            "providers": [f"huggingface:text-generation:{final.model}"],
            "tests": [
                {"vars": dict(row["inputs"]), "assert": [{"type": "icontains", "value": row["answer"]}]}
                for row in shown.golden
            ],
        }
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=10**9)
        return write_folder(folder, "promptfoo", {"promptfooconfig.yaml": text}, shown)


def jinja(piece: Piece, shown: Portable) -> str:
    """A piece of a template for Jinja or Nunjucks."""
    if piece.is_field:
        return "{{ " + shown.variables[piece.text] + " }}"
    return _JINJA.sub(lambda found: "{{ " + json.dumps(found[0]) + " }}", piece.text)


def prompt_fields(shown: Portable) -> set[str]:
    """Fields that are data; demonstrations of a query's own are none."""
    return set(shown.final.fields)


def _raw(shown: Portable) -> str:
    """A text, or messages as JSON: both are templates to promptfoo."""
    said = messages(shown.turns, lambda piece: jinja(piece, shown))
    return json.dumps(said, ensure_ascii=False) if shown.is_chat else said[0]["content"]


def _template(shown: Portable) -> str:
    return messages(shown.turns, lambda p: "{" + p.text + "}" if p.is_field else p.text)[-1]["content"]


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()
