"""Numbers in texts, read exactly: what two ways to write one number have in common."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

_MOST_DIGITS = 40
"""A longer run of digits is an identifier, not a quantity; it is passed over."""

_NUMBER = re.compile(
    r"""
    (?P<sign>(?<![\w)\]])[-+\u2212])?      # of the number, not between two of them: 10-5 holds 10 and 5
    (?:[$\u20ac\u00a3\u00a5\u20b9][ ]?)?
    (?P<inner>(?<=[$\u20ac\u00a3\u00a5\u20b9])[-+\u2212])?
    (?:
        (?<![\d/])(?:(?P<units>\d+)[ ])?(?P<above>\d+)[ ]?/[ ]?(?P<below>\d+)(?![\d/])
      | (?P<whole>\d{1,3}(?:[,\u00a0\u202f]\d{3})+(?!\d)|\d+)
        (?P<part>\.\d+)?
        (?:[eE](?P<power>[-+]?\d{1,2})(?!\w))?
      | (?P<bare>(?<![\w.])\.\d+)
    )
    """,
    re.VERBOSE,
)


def numbers(text: str) -> Iterator[Fraction]:
    """Every number of `text` in order, exactly.

    Commas and narrow spaces between groups of three digits are left out (`1,234.50`), and so are currency signs and
    a percent sign, which is a unit: `50%` is 50. A fraction is its value, with whole units before it where they
    stand there (`1 1/2`). A minus counts where no word or digit stands directly before it. Powers of ten are read
    (`1.5e3`), numbers in words and commas as decimal points are not.
    """
    for match in _NUMBER.finditer(text):
        value = _value(match)
        if value is not None:
            minus = (match["sign"] or match["inner"] or "+") in "-\u2212"
            yield -value if minus else value


def last_number(text: str) -> Fraction | None:
    """The last number of `text`; None where there is none."""
    number = None
    for value in numbers(text):
        number = value
    return number


def written(value: Fraction) -> str:
    """The one way to write a number: no leading `+`, no trailing zeros; a fraction only where decimals never end."""
    rest, digits = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest, count = rest // prime, count + 1
        digits = max(digits, count)
    if rest != 1:
        return f"{value.numerator}/{value.denominator}"
    scaled = str(abs(value.numerator) * 10**digits // value.denominator).rjust(digits + 1, "0")
    sign = "-" if value < 0 else ""
    return sign + (f"{scaled[:-digits]}.{scaled[-digits:]}" if digits else scaled)


def _value(match: re.Match[str]) -> Fraction | None:
    if sum(character.isdigit() for character in match.group()) > _MOST_DIGITS:
        return None
    if match["above"]:
        below = int(match["below"])
        return int(match["units"] or 0) + Fraction(int(match["above"]), below) if below else None
    if match["bare"]:
        return Fraction("0" + _plain(match["bare"]))
    whole = Fraction(_plain(match["whole"]) + _plain(match["part"] or ""))
    return whole * Fraction(10) ** int(match["power"] or 0)


def _plain(digits: str) -> str:
    """The digits of any script as ASCII, without what stands between groups."""
    return "".join("." if c == "." else str(int(c)) for c in digits if c == "." or c.isdecimal())
