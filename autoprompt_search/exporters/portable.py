"""The best prompt as other tools take it: text with places for its fields, and golden items. Knows no such tool."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoprompt_search.core.prompts import Prompt
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.core.slotted import DEMONSTRATIONS, Piece, SlottedTurn, fields_of
from autoprompt_search.exporters.formats import to_jsonl
from autoprompt_search.prompting.slotted import slotted

FOLDER = "exports"
GOLDEN, NOTES = "golden.jsonl", "NOTES.md"


@dataclass(frozen=True, slots=True)
class Portable:
    """A prompt that needs neither this package nor its model."""

    name: str
    turns: tuple[SlottedTurn, ...]
    variables: Mapping[str, str]
    """Field -> its name as a variable, which other languages allow."""
    golden: tuple[Mapping[str, Any], ...]
    """`inputs` by variable, `messages` as they must come out, and the `answer` of the search's model."""
    notes: tuple[str, ...]
    """What this form of the prompt lacks."""
    final: FinalPrompt
    """The prompt that is written: the text alone, where the best one has trained vectors."""

    @property
    def is_chat(self) -> bool:
        """Whether it is a conversation."""
        return bool(self.turns[0].role)


def portable(final: FinalPrompt) -> Portable:
    """What can leave, and what cannot in words."""
    notes = []
    if final.prompt.soft is not None:
        notes.append(
            "The best prompt has trained vectors, which no text can hold: this is its text alone, a prompt with a "
            "score of its own. The whole one is in best_prompt/."
        )
        final = final.text_alone or final
    prompt = final.prompt
    if prompt.answers.calibration:
        notes.append("The search corrected the labels' probabilities (calibration); a text cannot do that.")
    turns = slotted(prompt)
    if prompt.demos.per_query and prompt.chat is not None:
        notes.append("Its demonstrations are chosen for every query; they are not in this form.")
    elif prompt.demos.per_query:
        notes.append(
            f"Its demonstrations are chosen for every query: put them into `{DEMONSTRATIONS}`, as the golden items do."
        )
    variables = _variables(fields_of(turns))
    return Portable(final.name, turns, variables, tuple(_golden(final, turns, variables)), tuple(notes), final)


def turns_of(prompt: Prompt) -> tuple[SlottedTurn, ...]:
    """The turns of a prompt beside the best one."""
    return slotted(prompt)


def messages(turns: Sequence[SlottedTurn], write: Any) -> list[dict[str, str]]:
    """Role and content; a plain text is what a user says."""
    return [{"role": turn.role or "user", "content": "".join(map(write, turn.pieces))} for turn in turns]


def write_folder(folder: Path, name: str, files: Mapping[str, str | bytes], shown: Portable) -> Path:
    """Write `exports/name` with these files, golden items and notes, in place of an earlier one."""
    target = folder / FOLDER / name
    target.parent.mkdir(parents=True, exist_ok=True)
    extra: dict[str, str | bytes] = {GOLDEN: to_jsonl(shown.golden)}
    if shown.notes:
        extra[NOTES] = "\n\n".join(shown.notes) + "\n"
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent) as draft:
        fresh = Path(draft) / name
        for path, content in {**files, **extra}.items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            data = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
            (fresh / path).write_bytes(data)
        if target.exists():
            shutil.rmtree(target)
        fresh.rename(target)
    return target


def as_json(value: object) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _variables(fields: Sequence[str]) -> dict[str, str]:
    """Names that every template language takes, each once."""
    variables: dict[str, str] = {}
    for field in fields:
        name = re.sub(r"\W", "_", field, flags=re.ASCII)
        name = name if name[:1].isalpha() else f"field_{name}"
        while name in variables.values():
            name += "_"
        variables[field] = name
    return variables


def _golden(final: FinalPrompt, turns: Sequence[SlottedTurn], variables: Mapping[str, str]) -> list[dict[str, Any]]:
    """Items whose prompts these turns can say; none of a conversation without its demonstrations."""
    rows = []
    for example, answer in final.golden:
        told = final.golden_prompts.get(example.id)
        values = dict(example.inputs)
        if told is None or len(told) != len(turns):
            continue
        if DEMONSTRATIONS in variables:
            values[DEMONSTRATIONS] = _between(told[0][1], turns[0].pieces, values)
        if [turn.filled(values) for turn in turns] != [text for _, text in told]:
            continue
        rows.append(
            {
                "inputs": {variable: values[field] for field, variable in variables.items()},
                "messages": [{"role": role or "user", "content": text} for role, text in told],
                "answer": answer,
            }
        )
    return rows


def _between(text: str, pieces: Sequence[Piece], values: Mapping[str, str]) -> str:
    """What stands in the place of the demonstrations."""
    index = next(i for i, piece in enumerate(pieces) if piece.is_field and piece.text == DEMONSTRATIONS)
    before, after = (
        "".join(values.get(p.text, "") if p.is_field else p.text for p in part)
        for part in (pieces[:index], pieces[index + 1 :])
    )
    return text[len(before) : len(text) - len(after)]
