"""What the model is asked for, in terms of a state: bars to fill, chords for a melody, more bars, a new
section.

Every answer is a list of candidates, whole states of which one may be kept. Nothing that is locked differs in
them, and nothing outside the bars that were asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from hrpe_jax.errors import UserError
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.server.actions import Refused
from hrpe_jax.server.edit_music import span_of
from hrpe_jax.server.edits import act
from hrpe_jax.server.graft import graft, inside
from hrpe_jax.server.state import State, pickup_ticks, sounding_chords
from hrpe_jax.theory.function import roman_numeral
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from hrpe_jax.theory.pitch import midi_name

WHAT = ("melody", "chords", "both", "rhythm", "pitches", "vary")
WISHES = ("", "less busy", "busier", "higher", "lower")
MAX_COUNT = 8
_POOL = 3
"""How many times as many are asked for where a wish chooses among them."""
_DRAWN = 16
"""Melodies that the composer draws to choose from."""
_NEAR, _FAR = 0.35, 0.5
"""Share of the notes that may change where more of the same is asked for, and in a second verse."""


class Musician(Protocol):
    """What the studio needs of a `Composer`."""

    def compose(
        self,
        *,
        num_pieces: int = ...,
        bars: int | None = ...,
        key: Key | str | None = ...,
        meter: Meter | str | None = ...,
        tempo: float | None = ...,
        chords: str | None = ...,
        form: str | None = ...,
        prime: Score | None = ...,
        seed: int = ...,
        style: str | None = ...,
        range: str | None = ...,
        density: float | None = ...,
    ) -> list[Score]:
        """See `Composer.compose`."""

    def suggest(
        self,
        score: Score,
        bars: tuple[int, int] = ...,
        what: str = ...,
        count: int = ...,
        *,
        keep: Sequence[Note | ChordSpan] = ...,
        distance: float = ...,
        candidates: int = ...,
        style: str | None = ...,
        seed: int = ...,
    ) -> list[Score]:
        """See `Composer.suggest`."""

    def harmonize(
        self,
        score: Score,
        count: int = ...,
        keep: Sequence[ChordSpan] | None = ...,
        *,
        bars: tuple[int, int] | None = ...,
        style: str | None = ...,
        seed: int = ...,
    ) -> list[Score]:
        """See `Composer.harmonize`."""


@dataclass(frozen=True)
class Candidate:
    """One answer.

    Attributes:
        state: the whole piece with it.
        first: first bar that is new, from 1.
        last: last bar that is new.
        about: what it is like, in a few words.
    """

    state: State
    first: int
    last: int
    about: str


def suggest(
    composer: Musician,
    state: State,
    first: int,
    last: int,
    what: str = "both",
    count: int = 4,
    like: State | None = None,
    wish: str = "",
    seed: int = 0,
) -> list[Candidate]:
    """New music for some bars.

    Args:
        composer: asked for it.
        state: of now.
        first: bar, from 1.
        last: bar.
        what: one of `WHAT`.
        count: how many.
        like: a state whose melody in these bars is varied.
        wish: one of `WISHES`: which of more candidates are chosen.
        seed: the same seed gives the same music.

    Raises:
        UserError: no such bars, all of them locked, or the composer refuses.
    """
    span_of(state, first, last)
    _known("what", what, WHAT)
    _known("wish", wish, WISHES)
    while first <= last and first in state.locks.bars:
        first += 1
    while last >= first and last in state.locks.bars:
        last -= 1
    if last < first:
        raise Refused("all of these bars are locked; unlock one, or select others")
    if like is not None:
        state, what = replace(like, locks=state.locks), "vary"
    scores = composer.suggest(
        state.score,
        _printed(state, first, last),
        what,
        min(count * _POOL, MAX_COUNT * _POOL) if wish else count,
        keep=_kept_items(state, first, last),
        distance=_NEAR if like is not None else _FAR,
        candidates=_DRAWN,
        style=state.settings.style or None,
        seed=seed,
    )
    found = [candidate_of(state, score, first, last, what) for score in scores]
    return _chosen(found, wish, count)


def _printed(state: State, first: int, last: int) -> tuple[int, int]:
    """Bars as the composer numbers them: a pickup is bar 0."""
    pickup = bool(pickup_ticks(state))
    return first - pickup, last - pickup


def _kept_items(state: State, first: int, last: int) -> list[Note | ChordSpan]:
    """What is locked in some bars."""
    start, end = span_of(state, first, last)
    held = [state.bars[number - 1] for number in state.locks.bars if first <= number <= last]

    def locked(tick: int, alone: frozenset[int]) -> bool:
        inside = any(begin <= tick < begin + length for begin, length in held)
        return start <= tick < end and (tick in alone or inside)

    notes = [n for n in state.score.melody if locked(n.onset, state.locks.notes)]
    spans = [s for s in sounding_chords(state.score) if locked(s.onset, state.locks.chords)]
    return [*notes, *spans]


def harmonize(
    composer: Musician, state: State, first: int, last: int, count: int = 4, seed: int = 0
) -> list[Candidate]:
    """Chords for the melody of some bars; the rest keeps its own.

    Raises:
        UserError: no such bars, or a melody that says too little.
    """
    span_of(state, first, last)
    whole = (first, last) == (1, len(state.bars))
    keep = [item for item in _kept_items(state, first, last) if isinstance(item, ChordSpan)]
    scores = composer.harmonize(
        state.score,
        count,
        keep or None,
        bars=None if whole else _printed(state, first, last),
        style=state.settings.style or None,
        seed=seed,
    )
    return [candidate_of(state, score, first, last, "chords") for score in scores]


def go_on(composer: Musician, state: State, bars: int, count: int = 4, seed: int = 0) -> list[Candidate]:
    """More bars behind the last, as a section of their own."""
    if not state.score.melody and not sounding_chords(state.score):
        raise Refused("there is nothing to go on from; write some chords, or compose a piece")
    scores = composer.compose(
        num_pieces=count,
        prime=state.score,
        bars=bars,
        seed=seed,
        style=state.settings.style or None,
        range=state.settings.range or None,
        density=state.settings.density,
    )
    before = len(state.bars)
    grown = act(state, {"do": "add_section", "letter": _new_letter(state), "bars": bars})
    return [candidate_of(grown, score, before + 1, before + bars, "both") for score in scores]


def second_verse(
    composer: Musician, state: State, section: int, count: int = 4, seed: int = 0
) -> list[Candidate]:
    """A section again behind itself, with its chords and a variation of its melody."""
    if not 1 <= section <= len(state.score.form):
        raise Refused(f"section {section}: expected 1 to {len(state.score.form)}")
    source = state.score.form[section - 1]
    letter = source.name + "'" * min(3, len(source.letter) - len(source.name) + 1)
    asked = {
        "do": "add_section",
        "letter": letter,
        "bars": source.bars,
        "at": section + 1,
        "copy_of": section,
    }
    grown = act(state, asked)
    return suggest(
        composer, grown, source.end_bar + 1, source.end_bar + source.bars, "vary", count, seed=seed
    )


def bridge(
    composer: Musician, state: State, after: int, bars: int = 8, count: int = 4, seed: int = 0
) -> list[Candidate]:
    """A new section behind a section, with chords and a melody of its own.

    It is composed as what follows the bars up to there.
    """
    if not 1 <= after <= len(state.score.form):
        raise Refused(f"section {after}: expected 1 to {len(state.score.form)}")
    first = state.score.form[after - 1].end_bar
    asked = {"do": "add_section", "letter": _new_letter(state), "bars": bars, "at": after + 1}
    grown = act(state, asked)
    return suggest(composer, grown, first + 1, first + bars, "both", count, seed=seed)


def kept(candidate: Candidate, base: State, now: State) -> State:
    """The state of now with a candidate that was made for another, where only other bars changed since.

    Raises:
        Refused: these bars, or how many there are, changed meanwhile.
    """
    if now == base:
        return candidate.state
    start, end = span_of(candidate.state, candidate.first, candidate.last)
    same = [s.bars == now.bars and s.score.key == now.score.key for s in (base, candidate.state)]
    if not all(same) or inside(base.score, start, end) != inside(now.score, start, end):
        raise Refused("these bars changed since the suggestion was made; ask again")
    return graft(now, candidate.state.score, start, end, "both")


def candidate_of(state: State, score: Score, first: int, last: int, what: str) -> Candidate:
    """The state with some bars of a score."""
    start, end = span_of(state, first, last)
    new = graft(state, score, start, end, what)
    return Candidate(new, first, last, _about(new, start, end))


def _chosen(found: list[Candidate], wish: str, count: int) -> list[Candidate]:
    """Those that are most as wished."""
    measures: dict[str, Callable[[list[Note]], float]] = {
        "less busy": lambda notes: len(notes),
        "busier": lambda notes: -len(notes),
        "higher": lambda notes: -_mean_pitch(notes),
        "lower": _mean_pitch,
    }
    if wish not in measures:
        return found[:count]
    measure = measures[wish]

    def value(candidate: Candidate) -> float:
        start, end = span_of(candidate.state, candidate.first, candidate.last)
        return measure([n for n in candidate.state.score.melody if start <= n.onset < end])

    return sorted(found, key=value)[:count]


def _mean_pitch(notes: Sequence[Note]) -> float:
    return sum(n.pitch * n.duration for n in notes) / max(1, sum(n.duration for n in notes))


def _about(state: State, start: int, end: int) -> str:
    """Notes, range and the last chord, in a few words."""
    score = state.score
    notes = [n for n in score.melody if start <= n.onset < end]
    words = []
    if notes:
        low, high = min(n.pitch for n in notes), max(n.pitch for n in notes)
        names = [midi_name(pitch, score.key.fifths) for pitch in (low, high)]
        words.append(f"{len(notes)} notes, {names[0]} to {names[1]}")
    spans = [s for s in sounding_chords(score) if s.onset < end and s.end > start and not s.chord.is_none]
    if spans:
        words.append(f"ends on {roman_numeral(spans[-1].chord, score.key)}")
    return "; ".join(words) or "silence"


def _new_letter(state: State) -> str:
    taken = {section.name for section in state.score.form}
    return next((letter for letter in "BCDEFGHJKLMN" if letter not in taken), "X")


def _known(name: str, value: str, words: Sequence[str]) -> None:
    if value not in words:
        raise UserError(f"{name} {value!r}: expected one of {', '.join(word for word in words if word)}")
