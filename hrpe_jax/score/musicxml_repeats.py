"""The order in which the measures of a written score are played."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_PASSES = 16
"""More repeats than this are a mistake or an attack."""


@dataclass(frozen=True)
class Signs:
    """What the barlines and directions of a measure say about the order of play.

    Attributes:
        forward: a repeat begins here.
        backward: how often the section that ends here is played; 0 where none ends.
        endings: numbers of the passes in which the measure is played; empty for all.
        ending_start: whether an ending bracket begins here (two brackets may stand side by side).
        segno, coda: a jump may lead here.
        to_coda: after a da capo or dal segno, go from the end of this measure to the coda.
        fine: after such a jump, the piece ends here.
        da_capo, dal_segno: jump at the end of this measure.
    """

    forward: bool = False
    backward: int = 0
    endings: frozenset[int] = frozenset()
    ending_start: bool = False
    segno: bool = False
    coda: bool = False
    to_coda: bool = False
    fine: bool = False
    da_capo: bool = False
    dal_segno: bool = False


def play_order(signs: Sequence[Signs], max_measures: int = 20_000) -> list[int] | None:
    """Indices of the measures in the order of playing.

    A repeat without a beginning goes back to the end of the previous one, or to the start. After a da capo
    or dal segno, repeats are not taken again, and only the last of several endings is played.

    Returns:
        None where more than `max_measures` would be played.
    """
    last_ending = _last_endings(signs)
    order: list[int] = []
    section, turn = 0, 1  # where the present section began, and how often it has been entered
    after_jump = False
    i, jumped_back = 0, False
    while i < len(signs):
        sign = signs[i]
        if not jumped_back:
            left_endings = i > 0 and signs[i - 1].endings and not sign.endings
            if sign.forward or left_endings:
                section, turn = i, 1
        jumped_back = False
        if sign.endings and (not last_ending[i] if after_jump else turn not in sign.endings):
            i += 1
            continue
        order.append(i)
        if len(order) > max_measures:
            return None
        if sign.backward and not after_jump:
            times = max(sign.endings) + 1 if sign.endings else sign.backward
            closing = last_ending[i] and min(sign.endings) > 1  # a repeat sign on the last bracket is a slip
            if turn < min(times, MAX_PASSES) and not closing:
                i, turn, jumped_back = section, turn + 1, True
                continue
            section, turn = i + 1, 1
        target = None if after_jump else _jump(signs, i)
        if after_jump and sign.fine:
            break
        if after_jump and sign.to_coda:
            coda = next((k for k in range(i + 1, len(signs)) if signs[k].coda), None)
            if coda is not None:
                i = coda
                continue
        if target is not None:
            i, after_jump = target, True
            continue
        i += 1
    return order


def _jump(signs: Sequence[Signs], i: int) -> int | None:
    """Where a da capo or dal segno at the end of measure i leads."""
    if signs[i].da_capo:
        return 0
    if signs[i].dal_segno:
        return next((k for k in range(i, -1, -1) if signs[k].segno), None)
    return None


def _last_endings(signs: Sequence[Signs]) -> list[bool]:
    """Whether each measure belongs to the last bracket of its group of endings."""
    last = [False] * len(signs)
    later = False  # whether another bracket follows in the same group
    for i in range(len(signs) - 1, -1, -1):
        if not signs[i].endings:
            later = False
            continue
        last[i] = not later
        later = later or signs[i].ending_start
    return last
