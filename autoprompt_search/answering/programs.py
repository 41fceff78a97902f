"""Programs in a model's text: the part of it that is Python and defines what is asked for."""

from __future__ import annotations

import ast
import re
import warnings

from autoprompt_search.answering.parsing import Found, Parser
from autoprompt_search.answering.structured import blocks
from autoprompt_search.core.types import Example

_ENDS, _STARTS = 8, 32
"""Lines at the margin that are tried as the end of a definition, and as the beginning of a program."""
_TRIALS = 400
"""Parts of a text that are tried at most: a bound on time, far above what answers need."""
_CHARACTERS = 100_000


def program() -> Parser:
    """The part of a text that is Python and defines the example's entry point; what stands around it does not matter.

    In front of the first fence that is all up to the end of the entry point's definition. Else it is the longest run
    of lines in the first block between fences that defines it. Without an entry point the longest run of lines counts.
    A text that goes on from what the prompt shows of the program, such as a signature, is read behind that. Nothing is
    executed.
    """

    def find(text: str, example: Example) -> Found | None:
        tests = example.tests
        entry, beginning = (tests.entry_point, tests.beginning.rstrip()) if tests else ("", "")
        text = text[:_CHARACTERS]
        fenced = list(blocks(text))
        loose = text[: fenced[0].start] if fenced else text
        for source in (loose, f"{beginning}\n{loose}") if beginning else (loose,):
            defined = _defined(source, entry) if entry else None
            if defined is not None:
                return Found(defined[0], defined[1] or bool(fenced))
        for block in fenced:
            for source in (block.code, f"{beginning}\n{block.code}") if beginning else (block.code,):
                found = _longest(source, entry)
                if found is not None:
                    return Found(found, block.is_settled)
        found = None if entry else _longest(text, entry)
        return None if found is None else Found(found)

    return Parser(find)


def _defined(source: str, entry: str) -> tuple[str, bool] | None:
    """Everything up to the end of the definition of `entry`, from the first line from which that is Python; and whether
    the definition has ended.

    A definition ends where another line begins at the margin; at the end of the text it may go on.
    """
    lines = source.splitlines()
    opened = re.compile(rf"(?:async\s+def|def|class)\s+{re.escape(entry)}\b|{re.escape(entry)}\s*=")
    begins = next((i for i, line in enumerate(lines) if opened.match(line)), None)
    if begins is None:
        return None
    ends = [i for i in range(begins + 1, len(lines)) if lines[i][:1].strip() and lines[i][0] not in ")]}"]
    starts = [i for i in range(begins + 1) if lines[i][:1].strip()]
    for stop in [*ends[:_ENDS], len(lines)]:
        for start in starts[-_STARTS:]:
            part = "\n".join(lines[start:stop]).rstrip()
            if _defines(part, entry):
                return part, stop < len(lines)
    return None


def _longest(source: str, entry: str) -> str | None:
    """The longest run of lines that is a program, from the first line from which there is one; None where none is."""
    lines, trials = source.splitlines(), 0
    for start in [i for i, line in enumerate(lines) if line[:1].strip()]:
        for stop in range(len(lines), start, -1):
            if not lines[stop - 1].strip():
                continue
            trials += 1
            if trials > _TRIALS:
                return None
            if _defines(part := "\n".join(lines[start:stop]), entry):
                return part
    return None


def _defines(source: str, entry: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    names = {node.name for node in body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
    names |= {
        target.id
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    return entry in names if entry else bool(names) or any(not isinstance(node, ast.Expr) for node in body)
