"""The signs of a line of ABC music, one after the other.

The expression is read once from left to right, with no nested repetition: time is linear in the line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

UNITS_PER_TICK = 10_080
"""Time inside a tune is counted in integers that divide a tick by 2^5 3^2 5 7: dotted, tripled and quintupled
notes down to 1/512 are exact, and no sum grows as fractions do."""
UNITS_PER_WHOLE = 48 * UNITS_PER_TICK

_ACCIDENTAL = r"(?:\^{1,2}|_{1,2}|=)"
_LENGTH = r"(\d{0,4})(/{0,8})(\d{0,4})"
_TOKEN = re.compile(
    rf"""
    (?P<skip>[ \t`$*;?@.~H-WYh-wu\\]+)
  | (?P<note>({_ACCIDENTAL}?)(?:\d{{0,2}}/\d{{0,2}}(?=[A-Ga-g]))?([A-Ga-g])([,']*){_LENGTH})
  | (?P<text>"([^"]*)"?)
  | (?P<bar>(:*)((?:\[(?=\|))?\|[|\]]*)(:*)(?:[ \t]*\[?(\d[\d,.\-]*))?)
  | (?P<double>::+)
  | (?P<field>\[([A-Za-z]):([^\]]*)\]?)
  | (?P<ending>\[(\d[\d,.\-]*))
  | (?P<decoration>!([^!|"\[\]]{{1,40}})!|\+([A-Za-z.]{{2,20}})\+)
  | (?P<grace>\{{[^}}]*\}}?)
  | (?P<tuplet>\((\d{{1,2}})(?::(\d{{0,2}})(?::(\d{{0,2}}))?)?)
  | (?P<rest>([zxZX]){_LENGTH})
  | (?P<space>y{_LENGTH})
  | (?P<open>\[)
  | (?P<close>\]{_LENGTH})
  | (?P<broken>>+|<+)
  | (?P<tie>-)
  | (?P<overlay>&)
  | (?P<unknown>.)
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(line: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(kind, parts) of every sign; parts are the texts of the groups inside its pattern.

    Kinds and parts: note (accidental, letter, octave marks, three parts of a length), text (the string), bar
    (colons before it, its strokes, colons after it, passes that its bracket names), double (a repeat sign
    without a bar), field (letter, value), ending (passes), decoration (its name), tuplet (p, q, r), rest
    (letter, three parts of a length), open and close (of a chord; the latter with a length), broken (the
    signs), tie, overlay. What changes no sound is left out.
    """
    for match in _TOKEN.finditer(line):
        kind = match.lastgroup or "unknown"
        if kind in ("skip", "grace", "space", "unknown"):
            continue
        first = _GROUPS[kind] + 1
        inside = match.groups("")[first - 1 : first - 1 + _PARTS[kind]]
        yield kind, inside if inside else (match[0],)


_GROUPS = _TOKEN.groupindex
_order = [*sorted(_GROUPS.values()), _TOKEN.groups + 1]
_PARTS = {name: _order[_order.index(index) + 1] - index - 1 for name, index in _GROUPS.items()}


def length_units(unit: int, parts: tuple[str, ...]) -> int:
    """Length in units of "3", "3/2", "/", "//" or "/4" times the unit note length."""
    numerator, slashes, denominator = parts
    units = unit * (int(numerator) if numerator else 1)
    if not slashes:
        return units
    divisor = (int(denominator) or 1) << (len(slashes) - 1) if denominator else 1 << len(slashes)
    return (2 * units + divisor) // (2 * divisor)


def looks_like_text(line: str) -> bool:
    """Whether a line is more likely words than music: letters that are no notes abound."""
    bare = re.sub(r'"[^"]*"?|![^!]*!|\[[A-Za-z]:[^\]]*\]?', "", line)
    other = len(re.findall(r"[h-wyH-WY]", bare))
    return other > 3 and other > 0.3 * len(re.sub(r"\s", "", bare))
