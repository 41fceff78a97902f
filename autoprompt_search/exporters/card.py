"""The prompt card: what a stranger must know to use a prompt, in one page of Markdown. Knows only the final prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autoprompt_search.core.protocols import FinalPrompt
from autoprompt_search.exporters.document import plain, rendered
from autoprompt_search.exporters.markdown import block, inline, table, visible
from autoprompt_search.exporters.snippet import snippet

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
    labels = ", ".join(inline(label) for label in final.labels)
    fields = ", ".join(inline(name) for name in final.fields)
    verdict = str(plain(final.scores.get("verdict")) or "none")
    return "\n".join(
        [
            f"# Prompt card: {inline(final.name)}",
            "",
            f"Reads {fields}, answers one of {len(final.labels)} labels: {labels}.",
            "",
            f"- Model: {inline(final.model)} (fingerprint {inline(final.model_fingerprint)}), frozen",
            f"- Verdict: **{verdict}**" + (f": {_VERDICTS[verdict]}" if verdict in _VERDICTS else ""),
            *(
                [f"- Reason: {visible(' '.join(str(reason).split()))}"]
                if (reason := final.scores.get("reason"))
                else []
            ),
            f"- Made with autoprompt_search {inline(final.created_with)}",
        ]
    )


def _scores(final: FinalPrompt) -> str:
    metric = final.scores.get("metric")
    name = f" ({inline(str(metric))})" if metric else ""
    rows = [(where, *_row(values)) for where, values in _scored(plain(final.scores), ())]
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
    prompt, shown = final.prompt, rendered(final.prompt, final.labels)
    text = shown["prefix"] + ("{demonstrations}" if prompt.demos.per_query else "") + shown["query"]
    lines = ["## Prompt", "", block(_shortened(text)), ""]
    lines += [
        f"- {inline(label)} is answered by {' or '.join(inline(a) for a in answers)}"
        for label, answers in shown["answers"].items()
    ]
    demos = prompt.demos
    if demos.strategy != "none":
        options = ", ".join(f"{name} {value}" for name, value in demos.options.items())
        how = "chosen for every query from" if demos.per_query else "the same for every query:"
        chosen = f" ({inline(options)})" if options else ""
        lines.append(f"- Demonstrations: {inline(demos.strategy)}{chosen}, {how} {len(demos.examples)} examples")
    if prompt.soft is not None:
        lines.append(
            f"- Soft prompt: {inline(prompt.soft.method)}, {prompt.soft.tokens} vectors in front of the text, "
            "in `adapter/` (PEFT format)"
        )
    return "\n".join(lines)


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
    print(load_prompt("FOLDER").predict([ROW])[0].label)

This checks the hashes of all files, the model's fingerprint and the golden items first."""


def _use(final: FinalPrompt) -> str:
    row = repr(dict.fromkeys(final.fields, "..."))
    parts = ["## Use", "With autoprompt_search (`FOLDER` is this folder):", _WITH_PACKAGE.replace("ROW", row)]
    source = snippet(final)
    if source is None:
        return "\n\n".join([*parts, "Without it: there is no plain script for this kind of model or demonstrations."])
    needs = ["torch", "transformers"]
    needs += ["peft"] if "import PeftModel" in source else []
    needs += ["scikit-learn"] if "import TfidfVectorizer" in source else []
    without = (
        f"Without it, by {', '.join(needs)} and PyYAML alone: run this inside the folder, with the model's name or "
        "folder as argument where it is another one now. Its last lines check the golden items."
    )
    return "\n\n".join([*parts, without, block(source, "python")])


def _limits(final: FinalPrompt) -> str:
    lines = [
        "It belongs to this one model: wording, demonstrations and soft prompts rarely carry over to another.",
        "The scores hold for data like that of the search; measure it on your own with `evaluate`.",
        "Probabilities are relative to the labels and not calibrated; texts that fit no label get one all the same.",
        f"Intervals cover {final.scores.get('confidence', 0.95):.0%} and count the drawing of examples only.",
    ]
    if final.prompt.demos.examples:
        lines.append(
            "This folder holds examples of the training data, in full: mind whose they are before you share it."
        )
    lines.append("`manifest.json` shows damage and edits. It is no signature: get the folder from someone you trust.")
    data = ", ".join(f"{inline(split)} {inline(value)}" for split, value in final.data_fingerprints.items())
    lines += [f"Fingerprints of the data: {data}."] if data else []
    return "## Limits\n\n" + "\n".join(f"- {line}" for line in lines)


def _files(final: FinalPrompt) -> str:
    rows = [("`prompt.yaml`", "the prompt, its parts, model, data and scores")]
    if final.prompt.demos.per_query:
        rows.append(("`demonstrations.jsonl`", "the examples to choose demonstrations from"))
    if final.prompt.soft is not None:
        rows.append(("`adapter/`", "the soft prompt as `PeftModel.from_pretrained` reads it"))
    rows += [
        ("`golden.jsonl`", "inputs with the predictions they must get"),
        ("`manifest.json`", "size and hash of every file"),
    ]
    return "## Files\n\n" + table(("file", "holds"), rows)
