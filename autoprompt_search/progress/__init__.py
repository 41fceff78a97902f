"""What a person, a notebook or a machine is shown of a running search."""

from __future__ import annotations

from collections.abc import Iterable

from autoprompt_search.core.protocols.output import Progress


def progress_where_watched(expected: Iterable[str] = ()) -> Progress | None:
    """The view for a terminal or a notebook; None where nobody seems to watch."""
    import sys

    from autoprompt_search.progress.notebook import NotebookView, notebook_display
    from autoprompt_search.progress.views import progress_for

    display = notebook_display()
    if display is not None:
        return NotebookView(display, expected)
    return progress_for(expected=expected) if sys.stderr.isatty() else None
