"""Templates chosen by their style: `style`, and `style.pick` where a style has several templates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from autoprompt_search.config.validation import Draft, Problem
from autoprompt_search.core.registry import unknown
from autoprompt_search.prompting import STYLE, STYLE_PICK
from autoprompt_search.space import AnyParam, Choice, Fixed, Int

if TYPE_CHECKING:
    from autoprompt_search.config.models import SearchConfig

TEMPLATE = "template"


def usable_templates(config: SearchConfig) -> list[str]:
    """Names of the templates that the space can choose, in the order of the file where it chooses by style."""
    chosen, style = config.space.root.get(TEMPLATE), config.space.root.get(STYLE)
    if isinstance(chosen, (Choice, Fixed)):
        return [str(name) for name in chosen.values]
    if isinstance(style, (Choice, Fixed)):
        return [name for name, template in config.templates.items() if template.style in style.values]
    return [next(iter(config.templates))]


def style_problems(draft: Draft, name: str, param: AnyParam) -> Iterator[Problem]:
    """What is wrong with `style` or `style.pick`."""
    config = draft.config
    if TEMPLATE in config.space.root:
        yield _misplaced(name, f"chooses templates, and so does {TEMPLATE}: leave one of them out")
    elif name == STYLE_PICK and STYLE not in config.space.root:
        yield _misplaced(name, f"means nothing without {STYLE}: add it to the space")
    elif name == STYLE_PICK and not (isinstance(param, Int) and param.low >= 0):
        yield _misplaced(name, f"must be whole numbers from 0 on (got kind {param.kind!r}): use kind int with low: 0")
    elif name == STYLE and not isinstance(param, (Choice, Fixed)):
        yield _misplaced(name, f"must be a choice of styles (got kind {param.kind!r})")
    elif name == STYLE and isinstance(param, (Choice, Fixed)) and draft.is_sound("templates"):
        styles = list(dict.fromkeys(template.style for template in config.templates.values()))
        for value in (v for v in param.values if v not in styles):
            yield _misplaced(name, f"no template has it: {unknown('style', str(value), styles)}", "values")


def _misplaced(name: str, text: str, *inner: str) -> Problem:
    return Problem(("space", name, *inner), f"space.{'.'.join((name, *inner))}: {text}")
