"""Programs that a model wrote, run where they can do no harm. Knows programs and tests, no model and no metric."""

from autoprompt_search.sandbox.verdicts import verdict, verdicts

__all__ = ["verdict", "verdicts"]
