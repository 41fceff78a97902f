"""The page: one file, one script of our own, nothing fetched. Everything but our own figures is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from markupsafe import Markup

from autoprompt_search.core.types import Params
from autoprompt_search.report import rows, wording
from autoprompt_search.report.view import View

_WHOLE = 40
"""Characters of a parameter with its value that stay on one line."""


def to_html(view: View) -> str:
    """The report as one HTML file."""
    page = _environment().get_template("report.html.j2")
    return page.render(v=view, data=view.data, result=view.result, script=_script())


def _params(params: Params) -> Markup:
    """The line of `rows.params_line`, broken between parameters and in long values only."""
    parts = [rows.params_line({name: value}) for name, value in params.items()]
    whole = Markup('<span class="whole">{}</span>')
    return Markup(", ").join(whole.format(part) if len(part) <= _WHOLE else part for part in parts if part)


@cache
def _script() -> Markup:
    return Markup((Path(__file__).parent / "page.js").read_text(encoding="utf-8"))  # noqa: S704 - our own file


@cache
def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=ChainableUndefined,  # a number that is absent is shown as a dash
        keep_trailing_newline=True,
    )
    env.filters.update(
        num=wording.number,
        signed=wording.signed,
        count=wording.count,
        p=wording.p_value,
        duration=wording.duration,
        percent=wording.percent,
        params=_params,
        standing=rows.standing,
        written=rows.written,
        front_note=rows.front_note,
        svg=Markup,
        json=Markup,
    )
    return env
