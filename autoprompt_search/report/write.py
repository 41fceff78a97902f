"""Writes the files of a report. The same data gives the same bytes."""

from __future__ import annotations

from pathlib import Path

from autoprompt_search.report.data import ReportData
from autoprompt_search.report.rows import trials_csv


def write_report(folder: Path, data: ReportData) -> list[Path]:
    """`report.html`, `summary.md` and `trials.csv` in `folder`, which is made if it is not there."""
    # Optuna, matplotlib and Jinja take a second to import: not for those who only import this package.
    from autoprompt_search.report.html import to_html
    from autoprompt_search.report.markdown import to_markdown
    from autoprompt_search.report.view import build_view

    view = build_view(data)
    texts = {
        "report.html": to_html(view),
        "summary.md": to_markdown(view),
        "trials.csv": trials_csv(data.records, data.config),
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in texts.items():
        path = folder / name
        # Texts from the web may hold lone surrogates, which no UTF-8 file can.
        path.write_bytes(text.encode("utf-8", "replace"))
        paths.append(path)
    return paths
