"""`spaces`: the search spaces that come with the package, listed and copied."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from autoprompt_search.core.errors import ConfigError

FOLDER = Path(__file__).parent.parent / "search_spaces"


def listed() -> Iterator[tuple[str, str]]:
    """Name of each space, and its first line without the mark of a comment."""
    for file in sorted(FOLDER.glob("*.yaml")):
        first = file.read_text(encoding="utf-8").partition("\n")[0]
        yield file.stem, first.lstrip("# ").strip()


def copied(name: str, to: Path | None) -> Path:
    """Copy a space to `to`, or to NAME.yaml here. `ConfigError` for an unknown name and for a file that is there."""
    known = [space for space, _ in listed()]
    stem = name.removesuffix(".yaml")
    if stem not in known:
        near = difflib.get_close_matches(stem, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
        raise ConfigError(f"NAME: there is no search space {name!r}; {hint}")
    target = to / f"{stem}.yaml" if to is not None and to.is_dir() else to or Path(f"{stem}.yaml")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write((FOLDER / f"{stem}.yaml").read_text(encoding="utf-8"))
    except FileExistsError as exc:
        raise ConfigError(f"--to: {target} is there already; name another file") from exc
    except OSError as exc:
        raise ConfigError(f"--to: {target} cannot be written: {exc.strerror or exc}") from exc
    return target
