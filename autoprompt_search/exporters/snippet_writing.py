"""How a plain script lets a model write an answer and reads it. Knows words of code, runs none.

It does what the backend of that name and the parser of that name do, in the plainest way; tests hold them together.
"""

from __future__ import annotations

from collections.abc import Mapping

from autoprompt_search.core.answers import TextAnswers
from autoprompt_search.exporters.snippet_families import Case, Scoring, filled

_ENDS = """
ends = (model.generation_config.eos_token_id, model.config.eos_token_id, tokenizer.eos_token_id)
ends = next((found for found in ends if found is not None), [])
ends = [*ends] if isinstance(ends, list) else [ends]
<<mark>>
forced = model.generation_config.forced_bos_token_id  # the first token of every text of some models
"""

_MARK = """\
ends += [i for token, i in tokenizer.get_vocab().items() if token == "<extra_id_1>"]  # what follows a filled span"""

_GENERATE = """
model.generation_config = GenerationConfig(  # greedy; nothing else of the model's own settings
    max_new_tokens=<<most>>,
    do_sample=False,
    eos_token_id=ends or None,
    pad_token_id=(ends or [0])[0],
    forced_bos_token_id=forced,
    decoder_start_token_id=<<start>>,
)

def write(ids):  # token ids
    made = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long))
    return made[0, <<from>> :].tolist()
"""

_LOOP = """
def write(ids):  # token ids, greedy, one after the other: soft prompts and slots are where `generate` has no place
    made = []
    while len(made) < <<most>> and made[-1:] not in [[end] for end in ends]:
        logits = <<run>>.logits[0, -1<<old>>]
        made.append(int(logits.argmax()) if made or forced is None else forced)
    return made
"""

_DECODED = """
def decoded(ids):
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

def said(ids):  # what the model writes, and whether it had ended before the cap
    made = write(ids)
    ended = made[-1:] in [[end] for end in ends]
    made, head = made[:-1] if ended else made, <<head>>
    before, whole = decoded(head), decoded(head + made)  # a space in front of the answer is kept
    string = whole[len(before) :] if whole.startswith(before) else decoded(made)
    stops = [place for place in map(string.find, page["decoding"]["limits"]["stop"]) if place >= 0]
    return (string[: min(stops)], True) if stops else (string, ended)
"""

_PREDICT = """
<<note>>
def predict(inputs):
<<read>>
    string, ended = said(ids)
<<parse>>

for row in map(json.loads, open("golden.jsonl", encoding="utf-8")):
    assert predict(row["inputs"]) == row["<<golden>>"], row["id"]
"""

_THOUGHTS = r"""    string = re.sub(r"\A\s*<think(?:ing)?>.*?</think(?:ing)?>", "", string, flags=re.DOTALL)"""

_LINE = """\
    line, end, _ = string.lstrip().partition("\\n")
    answer = line.strip() if ended or end else ""
"""

_PARSERS: Mapping[str, str] = {
    "verbatim": """\
    answer = string.strip() if ended else ""
""",
    "first-line": _LINE,
    "after-marker": """\
    marker = re.escape(page["decoding"]["parser"]["marker"].strip())
    parts = re.split(marker, string, maxsplit=<<splits>>, flags=re.IGNORECASE)
    string = parts[-1] if len(parts) > 1 else ""
    line, end, _ = string.lstrip().partition("\\n")
    answer = line.strip() if ended<<settled>> else ""
""",
    "last-number": """\
    number = r"((?<![\\w)\\]])[-+\\u2212])?[$\\u20ac\\u00a3]?(\\d{1,3}(?:,\\d{3})+(?!\\d)|\\d+)(\\.\\d+)?"
    found = re.findall(number, string)
    sign, whole, part = found[-1] if found and ended else ("", "", "")
    digits = str(int(whole.replace(",", ""))) + part.rstrip("0").rstrip(".") if whole else ""
    answer = "-" + digits if sign in ("-", "\\u2212") and digits.strip("0") else digits
""",
    "first-label": """\
    words = sorted(sum(page["parts"]["verbalizer"].values(), []), key=len, reverse=True)
    found = re.search("|".join(rf"(?<!\\w){re.escape(word)}(?!\\w)" for word in words), string, re.IGNORECASE)
    answer = found.group() if found and (ended or found.start() + len(words[0]) < len(string)) else ""
""",
}
"""Parser -> code that reads `answer` out of `string`; empty where there is none."""

_LABELLED = """\
    words = {word.casefold(): label for label, found in page["parts"]["verbalizer"].items() for word in found}
    return words.get(answer.casefold(), "")"""

_NOTE = "# An empty answer is none. The package also takes the usual words of a refusal for none."
_RAW = "# This gives all that the model writes: the package's parser {parser!r} finds the answer in it."


_PLAIN = {
    "last-number": " Numbers are read where they are written plainly, as -1,234.50: no fractions and no powers of ten."
}
"""What the script's way to read an answer leaves out, by parser."""


def no_script(answers: TextAnswers) -> str:
    """Why no plain script writes and reads such answers; empty where one does."""
    return "there is no plain script for texts that are drawn at random" if answers.limits.temperature else ""


def is_read(answers: TextAnswers) -> bool:
    """Whether the script reads the answer itself; where not, it gives the whole text."""
    words = "".join(word for words in answers.verbalizer.values() for word in words)
    return answers.parser in _PARSERS and (answers.parser != "first-label" or words.isascii())


def writing(case: Case, scoring: Scoring, answers: TextAnswers) -> str:
    """The script behind the tokenizer: how the model writes, how that is read, and the golden items."""
    return "".join(
        [
            filled(_ENDS, mark=_MARK if case.kind == "hf-seq2seq" else ""),
            _write(case, answers),
            filled(_DECODED, head="[]" if case.kind == "hf-seq2seq" else _head(case)),
            _predict(case, scoring, answers),
        ]
    )


def _head(case: Case) -> str:
    """The last tokens of the prompt that have a text."""
    return "[i for i in ids[-16:] if i not in new][-8:]" if case.adds_tokens else "ids[-8:]"


def _write(case: Case, answers: TextAnswers) -> str:
    most, is_seq2seq = str(answers.limits.tokens), case.kind == "hf-seq2seq"
    if case.final.prompt.soft is None and not case.has_rest:
        start = "model.config.decoder_start_token_id" if is_seq2seq else "None"
        return filled(_GENERATE, most=most, start=start, **{"from": "1" if is_seq2seq else "len(ids)"})
    run = "model(torch.tensor([ids + made]))"
    if is_seq2seq:
        inside = case.final.prompt.soft is not None and case.place.at == "decoder"
        opening = f"[model.config.decoder_start_token_id]{' + new + before' if inside and case.adds_tokens else ''}"
        opening += " + sentinel" if case.has_rest else ""
        run = f"model(input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([{opening} + made]))"
    return filled(_LOOP, most=most, run=run, old=case.old)


def _predict(case: Case, scoring: Scoring, answers: TextAnswers) -> str:
    short = ["inputs = shortened(inputs)"] if case.final.reading.max_chars is not None else []
    read = "\n".join(f"    {line}" for line in [*short, *scoring.read, *_ids(case)])
    if not is_read(answers):
        note = _RAW.format(parser=answers.parser)
        return filled(_PREDICT, note=note, read=read, parse="    return string", golden="text")
    lines = [reading(answers), _LABELLED if answers.labels else "    return answer"]
    note = _NOTE + _PLAIN.get(answers.parser, "")
    return filled(_PREDICT, note=note, read=read, parse="\n".join(lines), golden="prediction")


def reading(answers: TextAnswers) -> str:
    """Lines that find `answer` in `string`, which has `ended` or was cut."""
    is_last = answers.options.get("which", "first") == "last"
    parse = filled(
        _PARSERS[answers.parser],
        settled="" if is_last else " or end",
        splits="0" if is_last else "1",
    ).rstrip("\n")
    return f"{_THOUGHTS}\n{parse}"


def _ids(case: Case) -> list[str]:
    """Lines that turn what was read into the ids that the model goes on from."""
    if case.kind == "hf-seq2seq":
        return ["ids = source"]
    fewer = case.place.replaces
    if case.place.at == "before-answer" and case.adds_tokens:
        return ["ids = tokens(prompt)", f"ids = ids[: len(ids) - {fewer}] + new"]
    return ["ids = tokens(prompt)", *([f"ids = ids[{fewer}:]"] if fewer else [])]
