"""How each family of models reads a prompt and scores an answer, in plain code. Knows words of code, runs none."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from autoprompt_search.core.families import FAMILIES
from autoprompt_search.core.nesting import nested
from autoprompt_search.core.prompts import Demonstrations, SoftPosition
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.exporters import snippet_pieces as pieces
from autoprompt_search.exporters.written import rendered
from autoprompt_search.prompting import answer_words

_INSTEAD = "  # the soft tokens stand for the others"


@dataclass(frozen=True)
class Case:
    """What a script depends on."""

    final: FinalPrompt

    @property
    def kind(self) -> str:
        """Name of the backend."""
        return str(self.final.backend["type"])

    @property
    def demos(self) -> Demonstrations:
        """Which solved examples the model sees."""
        return self.final.prompt.demos

    @property
    def place(self) -> SoftPosition:
        """Position of the soft prompt; without one the usual position, at which nothing happens."""
        return self.final.prompt.soft.place if self.final.prompt.soft else SoftPosition()

    @property
    def adds_tokens(self) -> bool:
        """Whether soft tokens are tokens of their own, behind the vocabulary."""
        soft = self.final.prompt.soft
        return soft is not None and soft.adapter.get("peft_type") == "TRAINABLE_TOKENS"

    @property
    def second(self) -> str:
        """Where a second text begins: in the `query` or in the `rest`; empty for one text."""
        written = rendered(self.final.prompt, self.final.labels, self.final.backend)
        return next((part for part in ("query", "rest") if isinstance(written.get(part), list)), "")

    @property
    def has_rest(self) -> bool:
        """Whether the model reads what stands after the answer."""
        return "rest" in rendered(self.final.prompt, self.final.labels, self.final.backend)

    @property
    def embeds(self) -> bool:
        """Whether demonstrations are chosen by the model's own vectors."""
        return self.demos.per_query and self.demos.options.get("by") == "embedding"

    @property
    def nests(self) -> bool:
        """Whether the text of an answer begins that of another."""
        return bool(nested(answer_words(self.final.prompt, self.final.labels)[0]))

    @property
    def frozen(self) -> str:
        """Name of the model without the soft prompt."""
        return "frozen" if self.final.prompt.soft else "model"

    @property
    def old(self) -> str:
        """The part of an index that leaves the logits of soft tokens out."""
        return ", : new[0]" if self.adds_tokens else ""

    @property
    def revision(self) -> str:
        """An argument that names it, if there is one."""
        revision = self.final.backend.get("revision")
        return f", revision={str(revision)!r}" if revision else ""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How one family scores an answer."""

    parts: tuple[str, ...]
    """Definitions."""
    read: tuple[str, ...]
    """Lines that turn `inputs` into what the model reads."""
    call: str
    """An expression for the score of the answer ANSWER."""
    vector: str
    """A definition of `vector(string)`, for choosing demonstrations."""
    ids: str = ""
    """An expression for the ids by which the answer ANSWER may begin another; empty where none can."""


def _causal(case: Case) -> Scoring:
    place, fewer = case.place, case.place.replaces
    if place.at == "before-answer":
        placed = f"    ids = ids[: start{_minus(fewer)}] + new + word"
    else:
        placed = f"    ids = ids[{fewer}:]{_INSTEAD}" if fewer else ""
    is_chat = case.final.prompt.chat is not None
    return Scoring(
        (pieces.CHAT if is_chat else pieces.CAUSAL_TOKENS, filled(pieces.CAUSAL, place=placed, old=case.old)),
        ("prompt = conversation(inputs)" if is_chat else f"prompt = {_before_answer(case)}",),
        "loglik(prompt, ANSWER)",
        filled(pieces.VECTOR_CAUSAL, reader=case.frozen, unit=pieces.MEAN),
        ids="tokens(prompt + ANSWER)",
    )


def _masked(case: Case) -> Scoring:
    border = " border," if case.second else ""
    loglik = filled(pieces.MASKED, border=border, run=_run(case, "ids"), old=case.old)
    return Scoring(
        (*_frame(case), loglik), _both_sides(case), f"loglik(left, right,{border} ANSWER)", _vector(case, "base_model")
    )


def _seq2seq(case: Case) -> Scoring:
    is_slot, fewer = case.has_rest, case.place.replaces
    is_inside = case.place.at == "decoder"
    loglik = filled(
        pieces.SEQ2SEQ, new="new + " if is_inside else "", sentinel=" + sentinel" if is_slot else "", old=case.old
    )
    rest = f" + slot + tokens({_text(case, 'rest')})" if is_slot else ""
    read = [f"source = before + tokens({_before_answer(case)}){rest} + after"]
    read += [f"source = source[{fewer}:]{_INSTEAD}"] if fewer and not is_inside else []
    parts = (pieces.TOKENS, pieces.SENTINEL if is_slot else "", loglik)
    return Scoring(parts, tuple(read), "loglik(source, ANSWER)", _vector(case, "get_encoder()"), "tokens(ANSWER)")


def _encoder(case: Case) -> Scoring:
    pooling = str(case.final.backend.get("pooling", "auto"))
    pooled = {"cls": "states[0]", "mean": "states.mean(0)"}.get(pooling, "states[0] if by_first else states.mean(0)")
    has_shots = bool(case.demos.examples)
    vector = filled(pieces.VECTOR, reader=case.frozen, unit="unit(output)")
    parts = (
        *_frame(case),
        filled(pieces.POOLING, revision=case.revision) if pooling == "auto" else "",
        filled(pieces.ENCODER, pooled=pooled),
        vector,
        pieces.PROTOTYPES if has_shots else pieces.COSINE,
    )
    read = (*_both_sides(case), f"query = unit({_run(case, 'left + right')})")
    shots = "demonstrations(inputs)" if case.demos.per_query else 'text["prototypes"]'
    if has_shots:
        read = (*read, f"shots = {shots}")
    return Scoring(parts, read, f"loglik(query,{' shots,' if has_shots else ''} ANSWER)", "")


def _classifier(case: Case) -> Scoring:
    read = (*_both_sides(case), f"logits = {_run(case, 'left + right')}.logits[0].float()")
    return Scoring((*_frame(case), pieces.CLASSIFIER), read, "loglik(logits, ANSWER)", _vector(case, "base_model"))


SCORING: Mapping[str, Callable[[Case], Scoring]] = {
    "hf-causal": _causal,
    "hf-masked": _masked,
    "hf-seq2seq": _seq2seq,
    "hf-encoder": _encoder,
    "hf-classifier": _classifier,
}


def _frame(case: Case) -> tuple[str, ...]:
    """Definitions for models that read both ways."""
    if not case.second:
        return (pieces.TOKENS,)
    soft = case.final.prompt.soft
    forward = pieces.FORWARD
    if soft is not None and not case.adds_tokens:
        forward = pieces.FORWARD_PREFIX if soft.place.kind == "prefix" else pieces.FORWARD_PROMPT
    return pieces.TOKENS, filled(pieces.PAIR, forward=forward)


def _run(case: Case, ids: str) -> str:
    return f"run({ids}, border)" if case.second else f"model(torch.tensor([{ids}]))"


def _both_sides(case: Case) -> tuple[str, ...]:
    """Ids on the left and on the right of the answer, and where a second text begins, counted from either end."""
    left = [f"left = before + tokens({_before_answer(case)})"]
    right = [f"right = tokens({_text(case, 'rest')}) + after" if case.has_rest else "right = after"]
    if case.second == "query":
        left[0] += " + between"
        left += [f"border = len(left){_shift(case)}", f"left += tokens({_text(case, 'query', 1)})"]
    elif case.second == "rest":
        right = [
            f"second = tokens({_text(case, 'rest', 1)}) + after",
            f"right, border = tokens({_text(case, 'rest', 0)}) + between + second, -len(second)",
        ]
    return (*left, *_placed(case.place, adds=case.adds_tokens), *right)


def _placed(place: SoftPosition, *, adds: bool) -> tuple[str, ...]:
    """What the soft tokens change on the left of the answer."""
    if not adds:
        return (f"left = left[{place.replaces}:]{_INSTEAD}",) if place.replaces else ()
    if place.at == "after-cls":
        return (f"left = left[:1] + new + left[{1 + place.replaces}:]",)
    return (f"left = left[: len(left){_minus(place.replaces)}] + new" if place.replaces else "left += new",)


def _shift(case: Case) -> str:
    """How far a second text that begins before the answer moves."""
    soft, place = case.final.prompt.soft, case.place
    if soft is None or place.at == "before-answer":
        return ""
    moved = (soft.tokens if case.adds_tokens else 0) - place.replaces
    return f" + {moved}" if moved > 0 else _minus(-moved)


def _before_answer(case: Case) -> str:
    """The text up to the answer, or, where a second one begins before it, up to that."""
    demos = "demonstrations(inputs) + " if case.demos.per_query and not FAMILIES[case.kind].compares else ""
    return f'text["prefix"] + {demos}{_text(case, "query", 0)}'


def _text(case: Case, part: str, piece: int | None = None) -> str:
    """A part of the prompt with its slots filled."""
    if case.second != part:
        return f'text["{part}"].format_map(inputs)'
    if not FAMILIES[case.kind].takes_pairs:  # to them two texts are one
        return f'"".join(text["{part}"]).format_map(inputs)'
    return f'text["{part}"][{piece}].format_map(inputs)'


def _vector(case: Case, body: str) -> str:
    return filled(pieces.VECTOR, reader=f"{case.frozen}.{body}", unit=pieces.MEAN)


def _minus(number: int) -> str:
    return f" - {number}" if number else ""


def filled(piece: str, **values: str) -> str:
    """The piece with its marks filled; a line that was nothing but an empty mark goes."""
    lines = []
    for line in piece.split("\n"):
        code = re.sub(r"<<(\w+)>>", lambda mark: values[mark[1]], line)
        lines += [code] if code or not line else []
    return "\n".join(lines)
