"""First templates of tasks whose answers are texts or options: one in each style, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """What the templates of a task say beside its fields."""

    answer: str
    """The end of a statement, behind which the answer stands."""
    question: str
    """What the template in form of a question asks."""
    instruction: str
    """What the template with an instruction tells."""
    is_asked: bool = False
    """Whether a field asks the question, so that it needs no other."""


WORDINGS: Mapping[str, Wording] = {
    "generation": Wording(
        "{@Output}:", "What is the right text for this?", "Write the text that belongs to the following."
    ),
    "question-answering": Wording("{@Answer}:", "", "Answer the question in as few words as possible.", is_asked=True),
    "arithmetic": Wording("{@Answer}:", "", "Solve the problem step by step; the last number is the answer.", True),
    "multiple-choice": Wording(
        "{@Answer}:", "Which of these is right?", "Choose the right option and repeat it word by word."
    ),
    "code": Wording(
        "{@Program}:", "How is that written in Python?", "Write the Python function. Answer with the code alone."
    ),
    "response": Wording(
        "{speaker}:", "What does {speaker} say next?", "Continue the conversation with the next response."
    ),
    "summary": Wording(
        "{@Summary}:", "What is this conversation about?", "Summarise the conversation in one or two sentences."
    ),
}
"""What a task asks for -> its words. `response` and `summary` are both of `dialogue`."""

COLUMNS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "generation": {
        "text": ("text", "source", "input", "article", "document", "sentence", "prompt", "question"),
        "target": ("target", "reference", "references", "summary", "highlights", "translation", "output", "response"),
    },
    "question-answering": {
        "context": ("context", "passage", "paragraph"),
        "text": ("question", "query", "problem"),
        "target": ("answers", "answer", "target"),
        "rationale": ("rationale", "solution", "reasoning"),
    },
    "multiple-choice": {
        "text": ("question", "query", "stem", "sentence", "text", "ctx", "goal", "premise"),
        "options": ("options", "choices", "endings"),
        "target": ("answer", "answerKey", "label", "gold", "target", "correct"),
    },
    "code": {
        "text": ("text", "prompt", "description", "instruction", "problem", "question"),
        "target": ("code", "canonical_solution", "solution", "reference", "target"),
        "tests": ("test_list", "tests", "test"),
        "setup": ("test_setup_code", "setup"),
        "entry_point": ("entry_point", "function"),
    },
    "dialogue": {
        "turns": ("turns", "messages", "conversation", "conversations", "dialogue", "dialog", "source"),
        "target": ("summary", "response", "target"),
    },
}
"""Task -> what is looked for -> columns that usually hold it, the likeliest first."""

FILE = """\
# {name}: templates, layout and demonstrations, searched jointly.
#   autoprompt-search check {name}.yaml     # what would be searched, and everything that is wrong
#   autoprompt-search run   {name}.yaml     # results in reports/{name}/; run again to continue
# Editors that know JSON schemas check this file as you type:
#   autoprompt-search schema > space.schema.json     and as the first line here:
#   yaml-language-server: $schema=space.schema.json  (with a # before it)

name: {name}
seed: 0

task:
  type: {task}
  data: {data}
{options}
  splits: {{{splits}}}   # the test split stays sealed until the end
  metric: {metric}

backend:
  type: hf-causal
  model: {model}   # any causal language model: a hub name or a folder
  # device: cuda

# How an answer is asked for and read. All parsers read the same stored text: searching `answer.parser` is free.
answer:
  by: text
  tokens: {tokens}   # 95 of 100 right answers are shorter
  stop: {stop}
  parser: {parser}

# {{field}} is your data, {{@Name}} a field name and {{@sep}} a separator: both are set by `layout` below.
templates:
{templates}

# Every line is searched; a bare value (`layout.casing: upper`) fixes it. The baseline is the first value of each.
space:
  template: {{kind: choice, values: [baseline, question, instruction]}}
  layout.separator: {{kind: choice, values: ["\\n", " "]}}
  layout.casing: {{kind: choice, values: [as-is, upper]}}
{demonstrations}{chat}
rungs: [{rungs}]   # dev examples per step: weak prompts stop early

# How much to spend: quick, standard or thorough, or numbers, whichever comes first: {{trials: 32, minutes: 30}}
budget: quick
runner: {{type: ray, concurrency: 1, cpus: 2}}   # more at once: --set runner.concurrency=4; with GPUs: gpus: 1
tracker: {{type: mlflow, uri: "sqlite:///mlflow.db"}}   # look at it with: autoprompt-search dashboard
"""
