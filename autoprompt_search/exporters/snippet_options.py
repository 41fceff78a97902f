"""How a plain script compares options, or words of labels, of unequal length. Knows words of code, runs none."""

from __future__ import annotations

from autoprompt_search.core.answers import LabelAnswers, OptionAnswers
from autoprompt_search.core.prompts import Prompt
from autoprompt_search.exporters.snippet_families import Case, Scoring, filled

_COUNT = """
def count(prompt, answer):  # the tokens in which prompt + answer goes on from prompt
    ids, head = tokens(prompt + answer), tokens(prompt)
    return len(ids) - next((i for i, (a, b) in enumerate(zip(ids, head)) if a != b), min(len(ids), len(head)))
"""

_COMPARED = """
def compared(inputs, answers):  # answer as the model reads it -> its score; `answers` also says its own text
<<read>>
    found = {answer: <<call>> for answer in answers}
<<exclusive>>
<<prior>>
    return {answer: <<score>> for answer in answers}
"""

_OPTIONS = """
def predict(inputs, options):
    answers = {text["option"].replace("{}", option): option for option in options}
    found = compared(inputs, answers)
    score = {option: found[answer] for answer, option in answers.items()}
    return max(score, key=score.get)

for row in map(json.loads, open("golden.jsonl", encoding="utf-8")):
    assert predict(row["inputs"], row["options"]) == row["prediction"], row["id"]
"""

_LABELS = """
words = page["parts"]["verbalizer"]

def predict(inputs):
    own = {a: w for label in words for a, w in zip(text["answers"][label], words[label])}
    found = compared(inputs, own)
    score = {label: <<score>> for label, answers in text["answers"].items()}
    return max(score, key=score.get)

for row in map(json.loads, open("golden.jsonl", encoding="utf-8")):
    assert predict(row["inputs"]) == row["prediction"], row["id"]
"""


def compares(prompt: Prompt) -> bool:
    """Whether the script is of this kind."""
    answers = prompt.answers
    return isinstance(answers, OptionAnswers) or (isinstance(answers, LabelAnswers) and answers.normalise != "none")


def no_comparison(case: Case) -> str:
    """Why no plain script compares as this prompt does; empty where one does."""
    prompt = case.final.prompt
    answers = prompt.answers
    if not isinstance(answers, LabelAnswers | OptionAnswers) or answers.normalise != "pmi":
        return ""
    if prompt.soft is None and prompt.chat is None and not case.second and not case.has_rest:
        return ""
    return (
        "there is no plain script that reads a premise beside a soft prompt, a conversation, a second text or a text "
        "behind the answer"
    )


def comparing(case: Case, scoring: Scoring) -> str:
    """The script behind the pieces of the family: scores of answers, the prediction, and the golden items."""
    answers = case.final.prompt.answers
    if not isinstance(answers, LabelAnswers | OptionAnswers):
        raise TypeError("only answers that are compared have such a script")
    is_causal, how = case.kind == "hf-causal", answers.normalise
    size = "count(prompt, answer)" if is_causal else "len(tokens(answer))"
    score = {
        "token": f"found[answer] / {size}",
        "byte": "found[answer] / len(answers[answer].encode())",
        "pmi": "found[answer] - prior[answer]",
    }.get(how, "found[answer]")
    short = ["inputs = shortened(inputs)"] if case.final.reading.max_chars is not None else []
    ids = scoring.ids.replace("ANSWER", "answer")
    only = f"    found = exclusive(found, {{answer: {ids} for answer in answers}})" if ids else ""
    body = filled(
        _COMPARED,
        read="\n".join(f"    {line}" for line in (*short, *scoring.read)),
        call=scoring.call.replace("ANSWER", "answer"),
        exclusive=only,
        prior=_prior(case, scoring) if how == "pmi" else "",
        score=score,
    )
    return (_COUNT if is_causal and how == "token" else "") + body + _predict(answers)


def _prior(case: Case, scoring: Scoring) -> str:
    """Lines for the log-likelihood of every answer behind the premise."""
    premise = 'page["decoding"]["premise"]'
    read = {
        "hf-causal": (f"prompt = {premise}",),
        "hf-seq2seq": (f"source = before + tokens({premise}) + after",),
        "hf-masked": (f"left, right = before + tokens({premise}), after",),
    }[case.kind]
    lines = [*read, f"prior = {{answer: {scoring.call.replace('ANSWER', 'answer')} for answer in answers}}"]
    if scoring.ids:
        ids = scoring.ids.replace("ANSWER", "answer")
        lines.append(f"prior = exclusive(prior, {{answer: {ids} for answer in answers}})")
    return "\n".join(f"    {line}" for line in lines)


def _predict(answers: LabelAnswers | OptionAnswers) -> str:
    if isinstance(answers, OptionAnswers):
        return _OPTIONS
    total = "torch.stack([torch.as_tensor(found[answer]) for answer in answers]).logsumexp(0)"
    offset = ' - page["calibration"]["offsets"][label]' if answers.calibration else ""
    return filled(_LABELS, score=total + offset)
