"""The frame of a first search space file; `starter` fills it in."""

from autoprompt_search.core.visible import visible_json

FILE = """\
# {name}: instruction, layout, words and demonstrations, searched jointly.
#   autoprompt-search check {name}.yaml     # what would be searched, and everything that is wrong
#   autoprompt-search run   {name}.yaml     # results in reports/{name}/; run again to continue
# Editors that know JSON schemas check this file as you type:
#   autoprompt-search schema > space.schema.json     and as the first line here:
#   yaml-language-server: $schema=space.schema.json  (with a # before it)

name: {name}
seed: 0

task:
  type: classification
  data: {data}
  text: {text}
  label: {label}
  labels: {labels}{rows}
  splits: {{{splits}}}   # the test split stays sealed until the end
  # metric: macro_f1   # accuracy unless you say otherwise{max_chars}

backend:
  type: hf-causal
  model: {model}   # any causal language model: a hub name or a folder
  # device: cuda

# {{field}} is your data, {{@Name}} a field name and {{@sep}} a separator: both are set by `layout` below.
templates:
{templates}

# What the model says for each label. Several words of one label count together: [great, good].
verbalizers:
{verbalizers}

# Every line is searched; a bare value (`layout.casing: upper`) fixes it. The baseline is the first value of each.
space:
  template: {{kind: choice, values: [{template_names}]}}
  verbalizer: {{kind: choice, values: [{verbalizer_names}]}}   # auto: words that the model proposes
{scoring}  layout.separator: {{kind: choice, values: ["\\n", " "]}}
  layout.casing: {{kind: choice, values: [as-is, upper]}}
  layout.name.{answer_name}: {{kind: choice, values: [{answer_names}]}}
{demonstrations}{chat}{soft}
rungs: [{rungs}]   # dev examples per step: weak prompts stop early

# How much to spend, in forward passes: quick 1,500, standard 5,000, thorough 20,000; a training step on one example
# counts three. Or by numbers, whichever comes first: {{passes: 8000, trials: 32, minutes: 30}}
budget: standard
runner: {{type: ray, concurrency: 1, cpus: 2}}   # more at once: --set runner.concurrency=4; with GPUs: gpus: 1
tracker: {{type: mlflow, uri: "sqlite:///mlflow.db"}}   # look at it with: autoprompt-search dashboard
"""

CALIBRATION = """\
  calibration: {kind: choice, values: [none, contextual, batch]}   # take off what the model prefers for no reason
"""
NORMALISE = """\
  answer.normalise: {kind: choice, values: [none, token, pmi]}   # label words differ in length: compare them fairly
"""

SOFT = """\
  # Vectors trained in front of the prompt: strong, and slow without a GPU. Take the # away to search them too.
  # soft.method: {kind: choice, values: [none, prompt-tuning]}   # also: p-tuning, residual-prompt-tuning, prefix-tuning
  # soft.tokens: {kind: int, low: 4, high: 32, log: true, when: {soft.method: [prompt-tuning]}}
  # soft.lr: {kind: float, low: 0.03, high: 3.0, log: true, when: {soft.method: [prompt-tuning]}}   # in embedding RMS
"""

_CHAT = """\
  # The model's own chat format beside plain text. A system message: layout.system, none, instruction or a text.
  layout.chat: {kind: choice, values: [none, template]}
  layout.answer_prefix: {kind: choice, values: [none, PREFIX], when: {layout.chat: [template]}}
"""
_CHAT_DEMOS = """\
  layout.chat_demos: {kind: choice, values: [turns, message], when: {layout.chat: [template]}}
"""


def chat_lines(has_demonstrations: bool, prefix: str = "The answer is") -> str:
    """Parameters for a model with a chat template, whose answers may begin with `prefix`."""
    return _CHAT.replace("PREFIX", visible_json(prefix)) + (_CHAT_DEMOS if has_demonstrations else "")
