"""Sections of a report that depend on the kind of answer, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from autoprompt_search.core.registry import ComponentSpec, Registry
from autoprompt_search.report.data import ReportData


class Section(Protocol):
    """What a report says of one kind of answers. It keeps no state."""

    @property
    def template(self) -> str:
        """The part of the page, which reads the view as `shown`."""
        ...

    def view(self, data: ReportData) -> Any:
        """Everything that is shown; None where these answers are of another kind."""
        ...

    def links(self, view: Any) -> tuple[tuple[str, str], ...]:
        """Id and title of each section of the page."""
        ...

    def markdown(self, view: Any) -> Iterator[str]:
        """Blocks of the summary; every foreign text in them is escaped."""
        ...


@dataclass(frozen=True, slots=True)
class ShownSection:
    """A section of this report."""

    template: str
    links: tuple[tuple[str, str], ...]
    view: Any
    markdown: tuple[str, ...]


SECTIONS: Registry[Section] = Registry(
    "report sections",
    {
        "labels": "autoprompt_search.report.sections.labels:LabelSection",
        "text": "autoprompt_search.report.sections.text:TextSection",
    },
)
"""Sections by kind of answer, in the order in which they are shown."""


def sections_of(data: ReportData) -> tuple[ShownSection, ...]:
    """Those that have something to say about these answers."""
    sections = []
    for name in SECTIONS.names():
        section = SECTIONS.build(ComponentSpec(type=name))
        if (view := section.view(data)) is not None:
            sections.append(ShownSection(section.template, section.links(view), view, tuple(section.markdown(view))))
    return tuple(sections)
