"""Every exception this package raises on purpose.

SearchError
├── ConfigError           the user's files or options are wrong: mend them; nothing was started
├── MissingExtraError     an optional dependency is absent: install it
├── TrialError            one trial cannot go on: it becomes a FAILED record, the search continues
├── SystemicError         every trial fails the same way: the search ends with that one reason
├── EndpointError         the server of the model cannot go on (key, quota, gone): the search ends and can be continued
├── BudgetError           the next request would pass the budget: no more trials, the search goes on to its end
├── StateError            the state folder belongs to another search, another driver, or is damaged
└── TamperedError         an exported folder is not what was exported
"""

from __future__ import annotations

from collections.abc import Sequence


def first_line(exc: BaseException) -> str:
    """The first line of what an exception says; the name of its class where it says nothing."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0]


def one_line(exc: BaseException, *, most: int = 300) -> str:
    """All that an exception says as one line of at most `most` characters; the name of its class where it is silent."""
    return (" ".join(str(exc).split()) or type(exc).__name__)[:most]


class SearchError(Exception):
    """Base of all errors a user may want to catch."""


class ConfigError(SearchError):
    """What the user wrote cannot be used; `problems` holds every mistake found, one line each."""

    def __init__(self, problems: Sequence[str] | str, *, where: str = "") -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        self.where = where
        """The file the mistakes are in, if there is one."""
        head = f"{where}: " if where else ""
        body = "\n".join(f"  - {p}" for p in self.problems)
        super().__init__(head + self.problems[0] if len(self.problems) == 1 else head.rstrip() + "\n" + body)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_config_error, (self.problems, self.where)


def _rebuild_config_error(problems: Sequence[str], where: str) -> ConfigError:
    return ConfigError(problems, where=where)


class MissingExtraError(SearchError):
    """A component needs a package that is not installed."""


class TrialError(SearchError):
    """This trial has failed for a reason the user should read (divergence, over-long prompt, memory)."""


class SystemicError(SearchError):
    """All trials so far failed for one and the same reason."""


class EndpointError(SearchError):
    """The server of the model does not answer, and will not soon; what was measured is kept."""


class BudgetError(SearchError):
    """A request was not sent, because it could have passed the budget."""


class StateError(SearchError):
    """The state folder cannot be used for this search."""


class TamperedError(SearchError):
    """A file of an exported prompt does not match its recorded hash, or its golden answers changed."""
