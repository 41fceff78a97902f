"""One search from configuration to result, in the order it happens."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Literal

from autoprompt_search.config import SearchConfig
from autoprompt_search.confirm import Seal, confirm
from autoprompt_search.core.protocols.output import Progress
from autoprompt_search.deliver import deliver, rebuild_report
from autoprompt_search.progress import progress_where_watched
from autoprompt_search.remote import bring, is_remote, send
from autoprompt_search.result import SearchResult
from autoprompt_search.runners import RUNNERS
from autoprompt_search.session import before_the_test, prepare, session
from autoprompt_search.workspace import Workspace

__all__ = ["SearchResult", "rebuild_report", "search"]


def search(
    config: SearchConfig,
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    progress: Progress | Literal[False] | None = None,
) -> SearchResult:
    """Search, prove and export; continue where an earlier run on the same folder stopped.

    Args:
        config: From `load_config`, which takes a file or a mapping.
        out: Result folder; `reports/<name>` by default. An address such as `s3://bucket/folder` is brought to
            `reports/<name>` where that is empty, and gets the result when the search has ended.
        fresh: Forget what is in the folder.
        progress: Told of every step; by default a view where somebody watches, in a terminal or a notebook. False:
            nobody.

    Raises:
        ConfigError: Something the user wrote cannot be used; nothing was started.
        StateError: The folder holds another search, or another run uses it.
        SystemicError: All first trials failed for one reason.
        KeyboardInterrupt: The user stopped it; running again continues.
    """
    if progress is None:
        progress = progress_where_watched(["soft"] if config.has_soft else [])
    progress = progress or None
    address = str(out) if is_remote(out) else ""
    folder = Path("reports") / config.name if address or not out else Path(out)
    if address and not fresh:
        bring(address, folder)
    with Workspace(folder, config, fresh=fresh) as workspace, closing(RUNNERS.build(config.runner)) as runner:
        plan = prepare(config, workspace, runner, progress)
        with session(config, workspace, plan, runner, progress) as parts:
            runner.run(parts.driver, plan.job)
            parts.progress.note(before_the_test(config, plan, parts))
            confirmation = confirm(
                parts.study.records(),
                plan.job,
                Seal(plan.splits.test, workspace.openings),
                runner=runner,
                ledger=parts.ledger,
                count=config.confirm.finalists,
                confidence=config.confirm.confidence,
                objective=config.objective.objective,
            )
            parts.progress.note("Writing result, prompt and report")
            result = deliver(config, workspace, plan, parts, confirmation)
    if address:
        send(folder, address)
    return result
