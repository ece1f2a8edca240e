"""The order in which the measures of a written score are played, and its tempo."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

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
        segno: a dal segno may lead here.
        coda: a jump to the coda leads here.
        to_coda: after a da capo or dal segno, go from the end of this measure to the coda.
        fine: after such a jump, the piece ends here.
        da_capo: jump to the start at the end of this measure.
        dal_segno: jump to the segno at the end of this measure.
        after_jump: the repeat that ends here is taken after a jump too.
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
    after_jump: bool = False


_FIELDS = {
    "da_capo": re.compile(r"\bd\.? ?c\b|\bda ?capo"),
    "dal_segno": re.compile(r"\bd\.? ?s\b|\bdal ?segno"),
    "to_coda": re.compile(r"\bto (the )?coda\b"),
    "fine": re.compile(r"^\W*(\w{1,3} )?fine\W*$"),
    "coda": re.compile(r"^\W*coda\W*$"),
}


def sign_of_words(text: str) -> str:
    """The field of `Signs` that printed words such as "D.S. al Coda" or "Fine" stand for; "" for others."""
    text = " ".join(text.lower().split())[:60]
    return next((field for field, pattern in _FIELDS.items() if pattern.search(text)), "")


def with_sign(signs: Signs, name: str) -> Signs:
    """Signs with another one, by the name of its field; as they are for ""."""
    changes: dict[str, Any] = {name: True} if name else {}
    return replace(signs, **changes)


def play_order(signs: Sequence[Signs], max_measures: int = 20_000) -> list[int] | None:
    """Indices of the measures in the order of playing.

    A repeat without a beginning goes back to the end of the previous one, or to the start. Endings are
    played as they are numbered, "1, 3" before "2, 4" before "3" again, however often that goes back. After a
    da capo or dal segno, repeats are not taken again unless they say so, and only the last of several endings
    is played. Endings and coda signs are mended first where they contradict themselves (see `mend_endings`,
    `_mend_codas`).

    Returns:
        None where more than `max_measures` would be played.
    """
    signs = _mend_codas(mend_endings(signs))
    last_ending, last_pass = _last_endings(signs)
    again = _taken_after_jumps(signs)
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
        once = after_jump and not again[i]
        if sign.endings and (not last_ending[i] if once else turn not in sign.endings):
            i += 1
            continue
        order.append(i)
        if len(order) > max_measures:
            return None
        following = i + 1
        if sign.backward and not once:
            unmarked = last_ending[i] and 1 in sign.endings  # the second ending is not marked
            times = last_pass[i] + unmarked if sign.endings else sign.backward
            if turn < min(times, MAX_PASSES):
                i, turn, jumped_back = section, turn + 1, True
                continue
            if sign.endings and not last_ending[i]:  # the last pass ends in an earlier bracket
                following = next((j for j in range(i, len(signs)) if not signs[j].endings), len(signs))
            section, turn = following, 1
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
        i = following
    return order


def mend_endings(signs: Sequence[Signs]) -> list[Signs]:
    """Endings as they must have been meant.

    - A bracket that stops some bars before the repeat sign, which the next bracket follows, reaches to it.
    - Brackets side by side are numbered from 1 in order where their numbers leave a pass out or name one
      twice: "1." "3." is "1." "2.".
    - All but the last of them end with a repeat sign; the last too where a later pass has a number.
    - A bracket alone, without a repeat sign, means nothing.
    """
    mended = list(signs)
    count = len(mended)
    for i in range(count):  # reach to the repeat sign
        if not mended[i].endings or mended[i].backward or (i + 1 < count and mended[i + 1].endings):
            continue
        end = next(
            (j for j in range(i + 1, min(i + 1 + _MAX_REACH, count)) if not _is_plain(mended[j])), count
        )
        stops_short = end + 1 < count and mended[end].backward and mended[end + 1].ending_start
        if stops_short and not mended[end].endings and not mended[end].forward:
            for j in range(i + 1, end + 1):
                mended[j] = replace(mended[j], endings=mended[i].endings)
    i = 0
    while i < count:
        if not mended[i].endings:
            i += 1
            continue
        end = next((j for j in range(i, count) if not mended[j].endings), count)
        _mend_group(mended, i, end)
        i = end
    return mended


_MAX_REACH = 8
"""Bars between the end of a bracket and the repeat sign that it should have had."""


def _is_plain(sign: Signs) -> bool:
    return not (sign.endings or sign.forward or sign.backward)


def _mend_group(signs: list[Signs], begin: int, end: int) -> None:
    """Number the brackets of measures [begin, end) and close all but the last, in place."""
    starts = [i for i in range(begin, end) if i == begin or signs[i].ending_start]
    if len(starts) == 1 and not signs[end - 1].backward:
        for i in range(begin, end):
            signs[i] = replace(signs[i], endings=frozenset())
        return
    turn = 1
    said = sorted(number for start in starts for number in signs[start].endings)
    consistent = said == list(range(1, len(said) + 1))  # "1, 3." "2." is right as it stands
    last = len(said) if consistent else sum(min(len(signs[start].endings), MAX_PASSES) for start in starts)
    for start, stop in zip(starts, [*starts[1:], end], strict=True):
        passes = min(len(signs[start].endings), MAX_PASSES)
        numbers = signs[start].endings if consistent else frozenset(range(turn, turn + passes))
        turn += passes
        for i in range(start, stop):
            signs[i] = replace(signs[i], endings=numbers)
        more = stop < end or (len(starts) > 1 and last > min(numbers))
        if more and not signs[stop - 1].backward:
            signs[stop - 1] = replace(signs[stop - 1], backward=2)


def _mend_codas(signs: list[Signs]) -> list[Signs]:
    """Where two coda signs stand at the beginnings of measures, the first is where to leave for the other."""
    codas = [i for i, sign in enumerate(signs) if sign.coda]
    jumps = any(sign.da_capo or sign.dal_segno for sign in signs)
    if jumps and len(codas) > 1 and codas[0] > 0 and not any(sign.to_coda for sign in signs):
        first = codas[0]
        signs[first] = replace(signs[first], coda=False)
        signs[first - 1] = replace(signs[first - 1], to_coda=True)
    return signs


def _jump(signs: Sequence[Signs], i: int) -> int | None:
    """Where a da capo or dal segno at the end of measure i leads."""
    if signs[i].da_capo:
        return 0
    if signs[i].dal_segno:
        return next((k for k in range(i, -1, -1) if signs[k].segno), None)
    return None


def _taken_after_jumps(signs: Sequence[Signs]) -> list[bool]:
    """Whether each measure belongs to a section whose repeat is taken after a jump too."""
    again = [False] * len(signs)
    now = False
    for i in range(len(signs) - 1, -1, -1):
        if signs[i].backward:
            now = signs[i].after_jump
        again[i] = now
        now = now and not signs[i].forward
    return again


def _last_endings(signs: Sequence[Signs]) -> tuple[list[bool], list[int]]:
    """Whether each measure belongs to the last bracket of its group of endings, and the last pass that any
    bracket of the group is for; 0 outside."""
    last, passes = [False] * len(signs), [0] * len(signs)
    later = False  # whether another bracket follows in the same group
    most = 0
    for i in range(len(signs) - 1, -1, -1):
        if not signs[i].endings:
            later, most = False, 0
            continue
        last[i] = not later
        later = later or signs[i].ending_start
        most = max(most, *signs[i].endings)
        passes[i] = most
    for i in range(1, len(signs)):
        if signs[i].endings and passes[i - 1]:
            passes[i] = passes[i - 1]
    return last, passes


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
