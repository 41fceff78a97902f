"""A short script for one very prompt that predicts with plain transformers and PEFT, without this package."""

from __future__ import annotations

from autoprompt_search.core.answers import TextAnswers
from autoprompt_search.core.families import FAMILIES
from autoprompt_search.core.prompts import Demonstrations
from autoprompt_search.core.protocols.output import FinalPrompt
from autoprompt_search.exporters import snippet_pieces as pieces
from autoprompt_search.exporters.formats import IDS
from autoprompt_search.exporters.snippet_families import SCORING, Case, Scoring, filled
from autoprompt_search.exporters.snippet_options import compares, comparing, no_comparison
from autoprompt_search.exporters.snippet_writing import no_script, writing

_DTYPES = ("float32", "bfloat16", "float16")
_WRITES = ("hf-causal", "hf-seq2seq")
_STANDARD = ("functools", "hashlib", "itertools", "json", "random", "sys")
"""Modules that pieces use."""


def snippet(final: FinalPrompt) -> str | None:
    """Python source, to be run in the prompt's folder; None where there is an `obstacle`."""
    if obstacle(final):
        return None
    case = Case(final)
    scoring = SCORING[case.kind](case)
    answers = final.prompt.answers
    if isinstance(answers, TextAnswers):
        tokens = [part for part in scoring.parts if "def loglik" not in part]
        vector = scoring.vector if case.embeds else ""
        ids = pieces.CHAT_IDS if final.chat.get(IDS) else ""
        steps = [_load(case), *tokens, vector, _retrieval(case), _cut(case), writing(case, scoring, answers), ids]
        body = "".join(steps).rstrip("\n")
        return _imports(case, body) + body
    parts = [
        _load(case),
        *scoring.parts,
        scoring.vector if case.embeds else "",
        _retrieval(case),
        pieces.EXCLUSIVE if _is_exclusive(case, scoring) else "",
        _cut(case),
        comparing(case, scoring) if compares(final.prompt) else _predict(case, scoring),
        pieces.CHAT_IDS if final.chat.get(IDS) else "",
    ]
    body = "".join(parts).rstrip("\n")
    return _imports(case, body) + body


def obstacle(final: FinalPrompt) -> str | None:
    """Why no plain script does the same: a backend of others, or a choice of demonstrations that would take pages."""
    demos, kind = final.prompt.demos, str(final.backend.get("type"))
    if kind not in FAMILIES or not FAMILIES[kind].auto:
        return f"there is no plain script for the backend {kind!r}"
    answers = final.prompt.answers
    if isinstance(answers, TextAnswers) and (kind not in _WRITES or (said := no_script(answers))):
        return said if kind in _WRITES else f"there is no plain script for texts of the backend {kind!r}"
    if said := no_comparison(Case(final)):
        return said
    if final.prompt.chat is not None and (demos.per_query or not final.chat):
        return "there is no plain script for a conversation whose demonstrations are chosen for every query"
    if demos.per_query and demos.strategy not in pieces.CHOICES:
        return f"there is no plain script that chooses demonstrations as the strategy {demos.strategy!r} does"
    if demos.per_query and _order(demos) not in pieces.ORDERS:
        return f"there is no plain script that puts demonstrations into the order {_order(demos)!r}"
    return None


def _imports(case: Case, body: str) -> str:
    """Imports of what the body names."""
    is_written = isinstance(case.final.prompt.answers, TextAnswers)
    standard = [name for name in _STANDARD if f"{name}." in body] + (["re"] if is_written and " re." in body else [])
    lines = [f"import {', '.join([*standard, 'torch', 'yaml'])}"]
    lines += ["from peft import PeftModel"] if case.final.prompt.soft else []
    lines += ["from sklearn.feature_extraction.text import TfidfVectorizer"] if "TfidfVectorizer(" in body else []
    settings = ", GenerationConfig" if "GenerationConfig(" in body else ""
    lines.append(f"from transformers import {FAMILIES[case.kind].auto}, AutoTokenizer{settings}")
    lines += ["from transformers.utils import cached_file"] if "cached_file(" in body else []
    return "\n".join(lines) + "\n\n"


def _load(case: Case) -> str:
    prompt, dtype = case.final.prompt, str(case.final.backend.get("dtype"))
    needs_page = prompt.chat is not None or isinstance(prompt.answers, TextAnswers) or compares(prompt)
    page = pieces.PAGED if needs_page else pieces.PAGE
    if prompt.answers.calibration and not compares(prompt):
        page = pieces.CALIBRATED
    needs_frozen = case.embeds or FAMILIES[case.kind].compares
    return filled(
        pieces.LOAD,
        model=_model(case.final.model),
        page=page,
        auto=FAMILIES[case.kind].auto,
        revision=case.revision,
        dtype=dtype if dtype in _DTYPES else "float32",
        frozen="frozen = model" if prompt.soft and needs_frozen else "",
        new=pieces.NEW_TOKENS if case.adds_tokens else "",
        adapter=pieces.ADAPTER if prompt.soft else "",
    )


def _model(name: str) -> str:
    if name.startswith("builtin:"):
        folder = name.removeprefix("builtin:")
        return f"sys.argv[1]  # {name} is the folder autoprompt_search/embedded/{folder} of the package"
    return f"sys.argv[1] if sys.argv[1:] else {name!r}"


def _retrieval(case: Case) -> str:
    demos = case.demos
    if not demos.per_query:
        return ""
    how, arranged = pieces.ORDERS[_order(demos)]
    shown = pieces.JOINED
    if FAMILIES[case.kind].compares:  # what is averaged has no order
        how, arranged, shown = "by their answers", "", pieces.BY_ANSWER
    similar = pieces.EMBEDDED if case.embeds else filled(pieces.TFIDF, words=pieces.WORDS)
    k, choice = int(demos.options["k"]), pieces.CHOICES[demos.strategy]
    picked = filled(
        choice.code, k=str(k), most=str(max(pieces.CANDIDATES, 2 * k)), trade=str(demos.options.get("trade", 0.5))
    )
    asked = filled(pieces.NEAREST, k=str(k), what=choice.what, how=how, picked=picked, arranged=arranged, shown=shown)
    alike = filled(pieces.ALIKE, product=pieces.PRODUCTS[case.embeds]) if "likeness(" in picked else ""
    return pieces.POOL + similar + alike + asked


def _order(demos: Demonstrations) -> str:
    return str(demos.options.get("order", "similar-last"))


def _cut(case: Case) -> str:
    limit = case.final.reading.max_chars
    return "" if limit is None else filled(pieces.SHORTENED, limit=str(limit))


def _predict(case: Case, scoring: Scoring) -> str:
    prompt, call, read = case.final.prompt, scoring.call, scoring.read
    if _is_exclusive(case, scoring):
        every = """for answer in sum(text["answers"].values(), [])"""
        logliks = f"{{answer: {call.replace('ANSWER', 'answer')} {every}}}"
        ids = f"{{answer: {scoring.ids.replace('ANSWER', 'answer')} {every}}}"
        read, call = (*read, f"logliks = {logliks}", f"only = exclusive(logliks, {ids})"), "only[ANSWER]"
    score = call.replace("ANSWER", "words[0]")
    if any(len(words) > 1 for words in prompt.answers.verbalizer.values()):
        score = f"torch.stack([{call.replace('ANSWER', 'word')} for word in words]).logsumexp(0)"
    score += " - offsets[label]" if prompt.answers.calibration else ""
    read = (*(["inputs = shortened(inputs)"] if case.final.reading.max_chars is not None else []), *read)
    return filled(pieces.PREDICT, read="\n".join(f"    {line}" for line in read), score=score)


def _is_exclusive(case: Case, scoring: Scoring) -> bool:
    """Whether answers may begin one another here."""
    return bool(scoring.ids) and (case.nests or compares(case.final.prompt))
