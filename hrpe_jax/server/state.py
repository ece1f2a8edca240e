"""What a project holds at one moment: a score, what is locked in it, and what is asked of suggestions.

A state never changes; edits make new ones. Bars are numbered from 1, as on paper. A note and a chord are
named by the tick at which they begin: the melody is one voice, so no two begin together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from hrpe_jax.errors import UserError
from hrpe_jax.formats.json import score_from_values, score_values
from hrpe_jax.score.form import Section
from hrpe_jax.score.notation import bar_lengths
from hrpe_jax.score.score import ChordSpan, Score, ScoreError
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

MAX_BARS = 512
"""Of a project: what a page can show and a player can find his way in."""


@dataclass(frozen=True)
class Settings:
    """What suggestions are asked to be like; empty or None leaves the choice to the model.

    Attributes:
        style: a name that the model knows.
        range: lowest and highest note, such as "A3-E5".
        density: notes a bar.
        band: what plays under the melody, see `arranging.styles.read_band`.
    """

    style: str = ""
    range: str = ""
    density: float | None = None
    band: str = ""


@dataclass(frozen=True)
class Locks:
    """What no suggestion and no edit may change.

    Attributes:
        bars: numbers, from 1.
        chords: ticks at which the chords begin.
        notes: ticks at which the notes begin.
    """

    bars: frozenset[int] = frozenset()
    chords: frozenset[int] = frozenset()
    notes: frozenset[int] = frozenset()


@dataclass(frozen=True)
class State:
    """A moment of a project. Its score fills whole bars: see `fill`.

    Attributes:
        score: the music.
        locks: what stays.
        settings: of suggestions.
    """

    score: Score
    locks: Locks = field(default_factory=Locks)
    settings: Settings = field(default_factory=Settings)

    @property
    def bars(self) -> list[tuple[int, int]]:
        """(first tick, ticks) of every bar."""
        return bar_lengths(self.score)

    def bar_at(self, tick: int) -> int:
        """The number of the bar that a tick lies in; the last for ticks behind the end."""
        return max(1, bisect_right([start for start, _ in self.bars], tick))


def empty_state(bars: int = 8, title: str = "", identifier: str = "piece") -> State:
    """A state without notes and chords: C major, 4/4, 120 beats a minute, one section."""
    score = Score(identifier, title, Key(0, "major"), Meter(4, 4), 120.0, (), ())
    score = fill(score, bars * score.meter.bar_ticks)
    return State(replace(score, form=(Section("A", 0, bars),)))


def state_of(score: Score) -> State:
    """The state of a score from a file: whole bars, and sections that cover it.

    Raises:
        UserError: it has more than `MAX_BARS` bars.
    """
    bars = bar_lengths(score)
    if len(bars) > MAX_BARS:
        raise UserError(f"{score.title or score.id}: {len(bars)} bars; at most {MAX_BARS} expected")
    start, length = bars[-1]
    return State(with_form(fill(score, start + length), score.form))


def fill(score: Score, end: int) -> Score:
    """A score that ends at a tick: what lies behind is cut, and "no chord" fills what is missing."""
    notes = [n if n.end <= end else replace(n, duration=end - n.onset) for n in score.melody if n.onset < end]
    sounding = sounding_chords(score)
    spans = [s if s.end <= end else replace(s, duration=end - s.onset) for s in sounding if s.onset < end]
    reached = max([line[-1].end for line in (notes, spans) if line], default=0)
    last = spans[-1].end if spans else 0
    if reached < end:
        spans.append(ChordSpan(last, end - last, Chord.NONE))
    resets = tuple(tick for tick in score.bar_resets if tick < end)
    return replace(score, melody=tuple(notes), chords=tuple(spans), bar_resets=resets, form=())


def sounding_chords(score: Score) -> list[ChordSpan]:
    """The chords without the "no chord" that fills the end."""
    spans = list(score.chords)
    while spans and spans[-1].chord.is_none:
        spans.pop()
    return spans


def pickup_ticks(state: State) -> int:
    """The length of a short first bar; 0 where the first bar is full, or all there is."""
    (_, length), *others = state.bars
    return length if others and length < state.score.meter.bar_ticks else 0


def known_form(state: State) -> tuple[Section, ...]:
    """The sections of a state; none where one section is all there is, which says nothing."""
    return state.score.form if len(state.score.form) > 1 else ()


def with_form(score: Score, form: tuple[Section, ...]) -> Score:
    """The score with sections that cover all its bars: bars of no section are X, bars behind the end go."""
    bars = len(bar_lengths(score))
    covered: list[Section] = []
    place = 0
    for section in form:
        if section.first_bar > place:
            covered.append(Section("X", place, section.first_bar - place))
        end = min(section.end_bar, bars)
        if section.first_bar < end:
            covered.append(replace(section, bars=end - section.first_bar))
            place = end
    if place < bars:
        covered.append(Section("X" if covered else "A", place, bars - place))
    return replace(score, form=tuple(covered))


def state_values(state: State) -> dict[str, Any]:
    """A state as JSON values."""
    return {
        "score": score_values(state.score),
        "locks": {name.name: sorted(getattr(state.locks, name.name)) for name in fields(Locks)},
        "settings": asdict(state.settings),
    }


def state_from_values(values: Mapping[str, Any]) -> State:
    """The state of `state_values`.

    Raises:
        ScoreError: they are none.
    """
    try:
        locks = {name.name: frozenset(map(int, values["locks"][name.name])) for name in fields(Locks)}
        return State(score_from_values(values["score"]), Locks(**locks), Settings(**values["settings"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ScoreError(f"these values are no project: {error}") from None
