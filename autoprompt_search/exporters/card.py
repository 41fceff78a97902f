"""The prompt card: what a stranger must know to use a prompt, in one page of Markdown. Knows only the final prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autoprompt_search.core.answers import LabelAnswers, OptionAnswers, TextAnswers
from autoprompt_search.core.families import family_of
from autoprompt_search.core.prompts import SoftPrompt
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.core.visible import visible
from autoprompt_search.exporters.formats import plain
from autoprompt_search.exporters.markdown import block, inline, table
from autoprompt_search.exporters.rule import options_rule, rule_of, text_rule
from autoprompt_search.exporters.snippet import obstacle, snippet
from autoprompt_search.exporters.written import answers_of, readable

_SHOWN = 6000
_VERDICTS = {
    "promote": "better than the baseline prompt on data the search never saw",
    "tie": "no difference to the baseline prompt was shown on data the search never saw",
    "reject": "worse than the baseline prompt on data the search never saw: keep the baseline",
}


def card(final: FinalPrompt) -> bytes:
    """The `README.md` of the folder, UTF-8."""
    sections = [_title(final), _scores(final), _prompt(final), _use(final), _limits(final), _files(final)]
    return ("\n\n".join(sections) + "\n").encode()


def _title(final: FinalPrompt) -> str:
    fields = ", ".join(inline(name) for name in final.fields)
    reason = final.scores.get("reason")
    return "\n".join(
        [
            f"# Prompt card: {inline(final.name)}",
            "",
            f"Reads {fields}, {_answers(final)}.",
            "",
            f"- Model: {inline(final.model)} (fingerprint {inline(final.model_fingerprint)}), frozen",
            f"- Verdict: {_verdict(plain(final.scores.get('verdict')))}",
            *([f"- Reason: {visible(' '.join(str(reason).split()))}"] if reason else []),
            f"- Made with autoprompt_search {inline(final.created_with)}",
        ]
    )


def _answers(final: FinalPrompt) -> str:
    """What an answer is, in words."""
    answers, labels = final.prompt.answers, ", ".join(inline(label) for label in final.labels)
    one_of = f"one of {len(final.labels)} labels: {labels}"
    if isinstance(answers, TextAnswers):
        written = f"writes text of {answers.limits.tokens} tokens at most"
        return f"{written}, in which it names {one_of}" if labels else written
    return f"answers {one_of}" if labels else "answers one of an example's own options"


def _verdict(verdict: object) -> str:
    if not verdict:
        return "none, for it was not held against the baseline prompt by itself"
    return f"**{verdict}**" + (f": {_VERDICTS[str(verdict)]}" if verdict in _VERDICTS else "")


def _scores(final: FinalPrompt) -> str:
    metric = final.scores.get("metric")
    name = f" ({inline(str(metric))})" if metric else ""
    rows = [(where, *_row(values)) for where, values in _scored(plain(final.scores), ())]
    if final.text_alone is not None:
        lines = _scored(plain(final.text_alone.scores), ("text alone",))
        rows += [(where, *_row(values)) for where, values in lines]
    if not rows:
        return "## Scores\n\nNo scores were recorded."
    return f"## Scores{name}\n\n" + table(("", "score", "interval", "examples", "p"), rows)


def _scored(values: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every mapping with a `score`, however deep, with its place in words."""
    if "score" in values:
        yield inline(" ".join(path) or "score"), values
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _scored(value, (*path, name))


def _row(values: Mapping[str, Any]) -> tuple[str, str, str, str]:
    low, high = values.get("low"), values.get("high")
    interval = f"{_number(low)} to {_number(high)}" if low is not None and high is not None else ""
    return _number(values["score"]), interval, _number(values.get("examples")), _number(values.get("p"))


def _number(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value) if isinstance(value, int) else inline(str(value))


def _prompt(final: FinalPrompt) -> str:
    prompt = final.prompt
    text = readable(prompt, final.labels, final.backend)
    marks = {
        "{@answer}": "is the answer's place",
        "{@pair}": "is where the second of two texts begins",
        "{demonstrations}": "are chosen for every query",
    }
    lines = [block(_shortened(text)), "", *(f"- `{mark}` {what}" for mark, what in marks.items() if mark in text)]
    lines += [
        f"- {inline(label)} is answered by {' or '.join(inline(a) for a in answers)}"
        for label, answers in answers_of(prompt, final.labels).items()
    ]
    lines += [_demonstrations(final)] if prompt.demos.strategy != "none" else []
    lines += [_soft(prompt.soft, final)] if prompt.soft is not None else []
    if prompt.answers.calibration is not None:
        offsets = zip(final.labels, prompt.answers.calibration.offsets, strict=True)
        listed = ", ".join(f"{inline(label)} {offset:.4g}" for label, offset in offsets)
        lines.append(f"- Calibrated ({inline(prompt.answers.calibration.method)}): offsets {listed}")
    what = {TextAnswers: "an answer", OptionAnswers: "an option"}.get(type(prompt.answers), "a label")
    if isinstance(prompt.answers, LabelAnswers | OptionAnswers) and prompt.answers.normalise == "pmi":
        lines.append(f"- The premise, an answer's text without the question: {inline(str(prompt.answers.premise))}")
    return "\n".join(["## Prompt", "", *lines, f"- How {what} is found: {_rule(final)}"])


def _rule(final: FinalPrompt) -> str:
    answers, chats = final.prompt.answers, final.prompt.chat is not None
    if isinstance(answers, OptionAnswers):
        return options_rule(final.backend, answers.normalise, chats=chats)
    if isinstance(answers, LabelAnswers):
        return rule_of(final.backend, answers, chats=chats)
    options = ", ".join(f"{name}: {value}" for name, value in answers.options.items())
    named = f" (parser {inline(answers.parser)}{', ' + inline(options) if options else ''})"
    return visible(" ".join(text_rule(answers, chats=chats).split())) + named


def _demonstrations(final: FinalPrompt) -> str:
    demos = final.prompt.demos
    options = ", ".join(f"{name} {value}" for name, value in demos.options.items())
    chosen = f" ({inline(options)})" if options else ""
    how = "chosen for every query from" if demos.per_query else "the same for every query:"
    use = ", averaged into the answers' vectors instead of being put into the text"
    compared = use if family_of(final.backend).compares else ""
    return f"- Demonstrations: {inline(demos.strategy)}{chosen}, {how} {len(demos.examples)} examples{compared}"


_PLACES = {
    "start": "in front of the text, before its first token",
    "after-cls": "behind the text's first token",
    "before-answer": "right before the answer",
    "decoder": "in the decoder, behind its first token",
}


def _soft(soft: SoftPrompt, final: FinalPrompt) -> str:
    kind = str(soft.adapter.get("peft_type", "PROMPT_TUNING"))
    place = soft.place
    where = "as keys and values in front of every layer's own" if place.kind == "prefix" else _PLACES[place.at]
    instead = f", instead of {place.replaces} of the prompt's own tokens" if place.replaces else ""
    only = "; the answers' vectors are made without it" if family_of(final.backend).compares else ""
    rows = soft.adapter.get("token_indices")
    new = (
        f"; they are tokens {rows[0]} to {rows[-1]} of a vocabulary resized for them" if isinstance(rows, list) else ""
    )
    return (
        f"- Soft prompt: {inline(soft.method)}, {soft.tokens} vectors {where}{instead}, in `adapter/` "
        f"(PEFT, {inline(kind)}){new}{only}"
    )


def _shortened(text: str) -> str:
    if len(text) <= _SHOWN:
        return text
    gap = f"\n[... {len(text) - _SHOWN} characters more, see prompt.yaml ...]\n"
    return text[: _SHOWN // 2] + gap + text[-_SHOWN // 2 :]


_WITH_PACKAGE = """\
    autoprompt-search predict FOLDER --input in.jsonl --output out.jsonl
    autoprompt-search evaluate FOLDER --data test.jsonl

In Python:

    from autoprompt_search import load_prompt
    print(load_prompt("FOLDER").predict([ROW])[0].answer)

This checks the hashes of all files, the model's fingerprint and the golden items first."""


def _use(final: FinalPrompt) -> str:
    row = repr(dict.fromkeys(final.fields, "..."))
    parts = ["## Use", "With autoprompt_search (`FOLDER` is this folder):", _WITH_PACKAGE.replace("ROW", row)]
    source = snippet(final)
    if final.text_alone is not None:
        parts.append(
            "`FOLDER/text` is used the same way: the text alone, for where vectors cannot be given to the model."
        )
    if source is None:
        return "\n\n".join([*parts, f"Without it: {visible(str(obstacle(final)))}."])
    needs = ["torch", "transformers"]
    needs += ["peft"] if "import PeftModel" in source else []
    needs += ["scikit-learn"] if "import TfidfVectorizer" in source else []
    without = (
        f"Without it, by {', '.join(needs)} and PyYAML alone: run this inside the folder, with the model's name or "
        "folder as argument where it is another one now. Its last lines check the golden items."
    )
    return "\n\n".join([*parts, without, block(source, "python")])


def _limits(final: FinalPrompt) -> str:
    prompt, truncate = final.prompt, final.backend.get("truncate")
    lines = [
        "It belongs to this one model: wording, demonstrations and soft prompts rarely carry over to another.",
        "The scores hold for data like that of the search; measure it on your own with `evaluate`.",
        *family_of(final.backend).limits,
        *_limits_of_answers(final),
        f"Intervals cover {final.scores.get('confidence', 0.95):.0%} and count the drawing of examples only.",
    ]
    if truncate:
        lines.append(
            f"Where a prompt is longer than the model's context, the package cuts the field {inline(str(truncate))} at "
            "its end; the plain script does not: cut it yourself."
        )
    if final.reading.max_chars is not None:
        lines.append(f"Of a text it reads {final.reading.max_chars} characters at most, as the search did.")
    if prompt.demos.examples:
        lines.append(
            "This folder holds examples of the training data, in full: mind whose they are before you share it."
        )
    if final.text_alone is not None:
        lines.append(
            "The soft prompt is numbers for this model; `text/` leaves it out and is another prompt with other scores."
        )
    lines.append("`manifest.json` shows damage and edits. It is no signature: get the folder from someone you trust.")
    data = ", ".join(f"{inline(split)} {inline(value)}" for split, value in final.data_fingerprints.items())
    lines += [f"Fingerprints of the data: {data}."] if data else []
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _limits_of_answers(final: FinalPrompt) -> list[str]:
    """What a user must know about this kind of answers."""
    answers = final.prompt.answers
    if isinstance(answers, TextAnswers):
        drawn = "Texts are drawn: another seed gives others." if answers.limits.temperature else ""
        near = "Where two tokens are nearly as likely, another device or number format may write another text."
        cut = "A text that was cut, is empty or holds no answer gets no answer; scores count it as wrong."
        return [cut, drawn or near]
    if isinstance(answers, OptionAnswers):
        return ["Options are compared with each other alone: one of them is answered, even where none is right."]
    is_calibrated = (
        ": calibration takes off what a label gets without a reason, it does not make them hit rates;"
        if answers.calibration
        else " and not calibrated;"
    )
    return [f"Probabilities are relative to the labels{is_calibrated} texts that fit no label get one all the same."]


def _files(final: FinalPrompt) -> str:
    rows = [("`prompt.yaml`", "the prompt, its parts, model, data and scores")]
    if final.prompt.demos.per_query:
        rows.append(("`demonstrations.jsonl`", "the examples to choose demonstrations from"))
    if final.prompt.soft is not None:
        rows.append(("`adapter/`", "the soft prompt as `PeftModel.from_pretrained` reads it"))
    if final.text_alone is not None:
        rows.append(("`text/`", "the same prompt without its soft prompt: a folder like this one, with its own card"))
    rows += [
        ("`golden.jsonl`", "inputs with the predictions they must get"),
        ("`manifest.json`", "size and hash of every file"),
    ]
    return "## Files\n\n" + table(("file", "holds"), rows)
