"""What has to hold of a program. Plain values that travel with examples."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tests:
    """Hidden tests of a program, and the limits within which they run."""

    cases: tuple[str, ...]
    """Python statements that raise where something does not hold; run in order, in the program's own names."""
    entry_point: str = ""
    """The function that the tests call; empty where none is named."""
    beginning: str = ""
    """What the prompt shows of the program, such as a signature, which a completion goes on from."""
    seconds: float = 5.0
    """Wall time of program and tests."""
    megabytes: int = 512
    """Address space of a process."""

    __test__ = False
    """Not a test of ours."""
