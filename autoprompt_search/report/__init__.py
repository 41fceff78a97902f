"""What people read when a search has ended: one HTML page that works offline, Markdown, and a CSV of all trials."""

from autoprompt_search.report.data import ReportData
from autoprompt_search.report.write import write_report

__all__ = ["ReportData", "write_report"]
