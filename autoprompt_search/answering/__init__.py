"""Ways to ask for answers and to read them, by name: an answer of any kind has its home here."""

from autoprompt_search.answering.parsing import Parser
from autoprompt_search.core.protocols.answering import Answering
from autoprompt_search.core.registry import Registry

ANSWERING: Registry[Answering] = Registry(
    "answering",
    {
        "likelihood": "autoprompt_search.answering.likelihood:Likelihood",
        "options": "autoprompt_search.answering.options:Options",
        "completion": "autoprompt_search.answering.completion:Generation",
    },
)
"""How answers are asked for and read."""

PARSERS: Registry[Parser] = Registry(
    "parsers",
    {
        "verbatim": "autoprompt_search.answering.parsing:verbatim",
        "first-line": "autoprompt_search.answering.parsing:first_line",
        "after-marker": "autoprompt_search.answering.parsing:after_marker",
        "last-number": "autoprompt_search.answering.parsing:number",
        "first-label": "autoprompt_search.answering.labels:first_label",
        "all-labels": "autoprompt_search.answering.labels:all_labels",
        "option-letter": "autoprompt_search.answering.labels:option_letter",
        "json-field": "autoprompt_search.answering.structured:json_field",
        "regex": "autoprompt_search.answering.structured:matching",
        "code-block": "autoprompt_search.answering.structured:code_block",
        "program": "autoprompt_search.answering.programs:program",
    },
)
"""How an answer is found in generated text."""
