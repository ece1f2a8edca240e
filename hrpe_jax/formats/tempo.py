"""The one tempo of a written piece whose marks may come late."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def main_tempo(marks: Sequence[tuple[int, float]], opening: int, end: int) -> float | None:
    """The tempo of a piece.

    A mark at the beginning holds. Where the first comes later, such as a ritardando at the end, the tempo
    that lasts longest holds, and that may be the one before the first mark, which nobody has named.

    Args:
        marks: (tick, quarters a minute), sorted.
        opening: the tick up to which a mark stands at the beginning: a pickup's end.
        end: the tick at which the piece ends.

    Returns:
        Quarters a minute; None where no mark says it.
    """
    if not marks or marks[0][0] <= opening:
        return marks[0][1] if marks else None
    lasting: dict[float | None, int] = {None: marks[0][0]}
    for (tick, tempo), (until, _) in pairwise([*marks, (max(end, marks[-1][0]), 0.0)]):
        lasting[tempo] = lasting.get(tempo, 0) + until - tick
    return max(lasting, key=lambda tempo: lasting[tempo])
