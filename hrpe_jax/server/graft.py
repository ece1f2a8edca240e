"""Music of one score put into another: between two ticks, but for what is locked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.server.state import State, fill, sounding_chords, with_form


def graft(state: State, other: Score, start: int, end: int, what: str) -> State:
    """The state with the music of another score between two ticks, but for what is locked."""
    score, locks = state.score, state.locks
    held = [state.bars[number - 1] for number in locks.bars]

    def free(tick: int) -> bool:
        return start <= tick < end and not any(begin <= tick < begin + length for begin, length in held)

    notes, spans = list(score.melody), sounding_chords(score)
    if what != "chords":
        new = [n for n in other.melody if free(n.onset)]
        notes = [n for n in notes if not free(n.onset) or n.onset in locks.notes]
        notes = _one_voice(notes, new, end)
    if what in ("chords", "both"):
        added: list[ChordSpan] = []
        for begin, until in _free_spans(start, end, held):
            inside = [s for s in sounding_chords(other) if s.onset < until and s.end > begin]
            added += [
                ChordSpan(max(s.onset, begin), min(s.end, until) - max(s.onset, begin), s.chord)
                for s in inside
            ]
            spans = _cut_out(spans, begin, until, locks.chords)
        fixed = [s for s in spans if s.onset in locks.chords]
        for span in fixed:
            added = _cut_out(added, span.onset, span.end, frozenset())
        spans = sorted([*spans, *added], key=lambda s: s.onset)
    last, length = state.bars[-1]
    filled = fill(replace(score, melody=tuple(notes), chords=tuple(spans), form=()), last + length)
    filled = with_form(filled, score.form)
    left = replace(
        locks,
        notes=locks.notes & {n.onset for n in filled.melody},
        chords=locks.chords & {s.onset for s in filled.chords},
    )
    return replace(state, score=filled, locks=left)


def _one_voice(fixed: Sequence[Note], new: Sequence[Note], end: int) -> list[Note]:
    """One melody of two; new notes make room for those that stay."""
    melody = [replace(n, duration=min(n.end, end) - n.onset) for n in new]
    melody = [n for n in melody if not any(o.onset <= n.onset < o.end for o in fixed)]
    everything = sorted([*fixed, *melody])
    for index, note in enumerate(everything[:-1]):
        after = everything[index + 1].onset
        if note.end > after:
            everything[index] = replace(note, duration=after - note.onset)
    return everything


def _free_spans(start: int, end: int, held: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """What is left between two ticks without the locked bars."""
    found, now = [], start
    for begin, length in sorted(held):
        if begin + length <= start or begin >= end:
            continue
        if begin > now:
            found.append((now, begin))
        now = max(now, begin + length)
    return [*found, (now, end)] if now < end else found


def _cut_out(spans: Sequence[ChordSpan], start: int, end: int, fixed: frozenset[int]) -> list[ChordSpan]:
    """Chords without what lies between two ticks, but for those that are fixed."""
    left = []
    for span in spans:
        if span.onset in fixed or span.end <= start or span.onset >= end:
            left.append(span)
            continue
        if span.onset < start:
            left.append(replace(span, duration=start - span.onset))
        if span.end > end:
            left.append(ChordSpan(end, span.end - end, span.chord))
    return left


def inside(score: Score, start: int, end: int) -> tuple[list[Note], list[ChordSpan]]:
    """What sounds between two ticks."""
    notes = [n for n in score.melody if n.onset < end and n.end > start]
    return notes, [s for s in sounding_chords(score) if s.onset < end and s.end > start]
