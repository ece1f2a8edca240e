"""Which sections a piece has, and how long: counts with back-off, and drawing from them.

A form is a sequence of steps. Each step is a kind and a length:

    new         a letter that was not there before
    again       the letter of the section before
    back        the other letter that was there last
    earlier     a letter from before that
    X i x o     as in `score.form`

The kind depends on the two kinds before, on how many letters there are, and on how many bars are left; the
length on the kind, on the length that is expected (of the letter's first section, else of the section before)
and on the bars left. Each table backs off to one that knows less, and in the end to all styles together. Bars
left are known, so that a form fills the bars that are asked for and ends as songs end.

The counts (`pretrained/forms.json`, by `tools/fit/form_model.py`) are of training songs: every stretch of 8
to 64 bars from the beginning of a section to the end of the melody.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import product
from typing import Any

import numpy as np

from hrpe_jax.errors import UserError
from hrpe_jax.score.form import ENDING, INTERLUDE, INTRO, OTHER, Section

LEAST_BARS, MOST_BARS = 8, 64
"""Of a piece that is counted."""
NEW, AGAIN, BACK, EARLIER = "new", "again", "back", "earlier"
KINDS = (NEW, AGAIN, BACK, EARLIER, OTHER, INTRO, INTERLUDE, ENDING)
LETTERS = "ABCDEFGHJKLMNPQRSTUVWYZ"
ALL_STYLES = ""
_LEFT_EDGES = (1, 2, 3, 4, 5, 8, 9, 12, 13, 16, 17, 24, 32, 48)
"""Bars left at which a new bin begins."""
_BACK_OFF = 4.0
"""How many counts the table that knows less is worth (Dirichlet)."""
_FLOOR = 1e-3
"""Share of what was never counted."""


@dataclass(frozen=True)
class Step:
    """A section as a step: its kind and bars, and what it depends on.

    Attributes:
        kind: one of `KINDS`.
        bars: of the section.
        kinds: of the two sections before; "" before the first.
        letters: how many there are, at most 3.
        expected: bars of the letter's first section, or else of the section before; 0 at the beginning.
        left: bars from its beginning to the end of the piece.
    """

    kind: str
    bars: int
    kinds: tuple[str, str]
    letters: int
    expected: int
    left: int


class _Past:
    """What was heard so far.

    Attributes:
        kinds: of the last two sections.
        first_bars: of each letter, bars of its first section.
        recent: letters, each once, the last heard at the end.
        before: bars of the last section.
    """

    def __init__(self) -> None:
        self.kinds = ("", "")
        self.first_bars: dict[str, int] = {}
        self.recent: list[str] = []
        self.before = 0

    def kind(self, section: Section) -> str:
        """The kind of a section that follows."""
        if not section.has_melody:
            return section.name if section.name in (INTRO, ENDING) else INTERLUDE
        if section.name == OTHER:
            return OTHER
        if section.name not in self.recent:
            return NEW
        return {1: AGAIN, 2: BACK}.get(len(self.recent) - self.recent.index(section.name), EARLIER)

    def letter(self, kind: str, rng: np.random.Generator) -> str:
        """A letter for a section of this kind."""
        if kind == NEW:
            return LETTERS[len(self.recent)]
        if kind in (AGAIN, BACK):
            return self.recent[-1 if kind == AGAIN else -2]
        return str(rng.choice(self.recent[:-2])) if kind == EARLIER else kind

    def possible(self) -> list[str]:
        """The kinds that may follow."""
        heard = len(self.recent)
        fits = {NEW: heard < len(LETTERS), AGAIN: heard > 0, BACK: heard > 1, EARLIER: heard > 2}
        fits |= {INTRO: not self.kinds[1], ENDING: heard > 0}
        return [kind for kind in KINDS if fits.get(kind, True)]

    def step(self, kind: str, letter: str, bars: int, left: int) -> Step:
        """A section that follows, as a step.

        Args:
            kind: such as "new".
            letter: of the section.
            bars: of the section.
            left: bars of the piece from its beginning on.
        """
        expected = self.first_bars.get(letter, self.before)
        return Step(kind, bars, self.kinds, min(len(self.recent), 3), expected, left)

    def add(self, kind: str, letter: str, bars: int) -> None:
        """A section has been heard.

        Args:
            kind: such as "new".
            letter: of the section.
            bars: of the section.
        """
        if kind in (NEW, AGAIN, BACK, EARLIER):
            self.first_bars.setdefault(letter, bars)
            self.recent = [other for other in self.recent if other != letter] + [letter]
        self.kinds, self.before = (self.kinds[1], kind), bars


def steps_of(form: Sequence[Section], bars: int) -> Iterator[Step]:
    """A form as steps; bars between sections are counted to the one before.

    Args:
        form: begins in bar 0.
        bars: of the piece.
    """
    past = _Past()
    for index, section in enumerate(form):
        end = form[index + 1].first_bar if index + 1 < len(form) else bars
        kind, length = past.kind(section), end - section.first_bar
        yield past.step(kind, section.name, length, bars - section.first_bar)
        past.add(kind, section.name, length)


def _left(bars: int) -> int:
    return int(np.searchsorted(_LEFT_EDGES, bars, "right"))


def _kind_contexts(step: Step) -> Iterator[tuple[Any, ...]]:
    """From what knows most to what knows least."""
    yield (*step.kinds, step.letters, _left(step.left))
    yield (step.kinds[1], step.letters, _left(step.left))
    yield (step.kinds[1], step.letters)
    yield ()


def _length_contexts(step: Step) -> Iterator[tuple[Any, ...]]:
    exact = min(step.left, 20)
    yield (step.kind, step.expected, exact)
    yield (step.kind in (AGAIN, BACK, EARLIER), step.expected, _left(step.left))
    yield (step.kind, _left(step.left))
    yield (step.kind,)


Tables = dict[str, dict[str, Counter[str]]]
"""By style and context (see `_key`), how often each kind or length came."""


@dataclass
class FormModel:
    """Counts of the steps of songs.

    Attributes:
        kinds: of kinds.
        lengths: of lengths.
    """

    kinds: Tables = field(default_factory=dict)
    lengths: Tables = field(default_factory=dict)

    @classmethod
    def from_values(cls, values: Mapping[str, Tables]) -> FormModel:
        """The model of `values`; all styles together are summed."""
        model = cls()
        for name in ("kinds", "lengths"):
            for style, table in values[name].items():
                for context, counts in table.items():
                    for what, count in counts.items():
                        model._add(getattr(model, name), style, context, what, count)
        return model

    def values(self) -> dict[str, Tables]:
        """The counts of each style, for JSON."""
        return {
            name: {style: table for style, table in getattr(self, name).items() if style}
            for name in ("kinds", "lengths")
        }

    def count(self, form: Sequence[Section], bars: int, style: str) -> None:
        """Adds the steps of a form of so many bars.

        Args:
            form: sections of a training piece.
            bars: of the piece.
            style: of the piece.
        """
        for step in steps_of(form, bars):
            for level, context in enumerate(_kind_contexts(step)):
                self._add(self.kinds, style, _key(level, context), step.kind, 1)
            for level, context in enumerate(_length_contexts(step)):
                self._add(self.lengths, style, _key(level, context), str(step.bars), 1)

    @staticmethod
    def _add(tables: Tables, style: str, context: str, what: str, count: int) -> None:
        for name in (style, ALL_STYLES):
            tables.setdefault(name, {}).setdefault(context, Counter())[what] += count

    @property
    def styles(self) -> list[str]:
        """Those that were counted."""
        return sorted(style for style in self.kinds if style)

    def log_likelihood(self, form: Sequence[Section], bars: int, style: str = ALL_STYLES) -> float:
        """The logarithm of the probability of a form, in nats.

        Args:
            form: begins in bar 0.
            bars: of the piece.
            style: one of `styles`; "" for all together.
        """
        total, past = 0.0, _Past()
        for step, section in zip(steps_of(form, bars), form, strict=True):
            kinds = self._kind_shares(step, past.possible(), style)
            total += math.log(kinds[step.kind]) + math.log(self._length_shares(step, style)[step.bars - 1])
            past.add(step.kind, section.name, step.bars)
        return total

    def draw(
        self, bars: int, style: str = ALL_STYLES, rng: np.random.Generator | None = None
    ) -> tuple[Section, ...]:
        """Draws a form that fills so many bars.

        Args:
            bars: 1 or more.
            style: one of `styles`; "" for all together.
            rng: of the draw; a new one by default.

        Raises:
            UserError: the style is not known.
        """
        if style and style not in self.styles:
            known = ", ".join(self.styles)
            raise UserError(f"style {style!r}: its forms are not known; expected one of {known}")
        rng = rng or np.random.default_rng()
        past, sections, now = _Past(), list[Section](), 0
        while now < bars:
            step = past.step("", "", 0, bars - now)
            shares = self._kind_shares(step, past.possible(), style)
            kind = str(rng.choice(list(shares), p=np.array(list(shares.values()))))
            letter = past.letter(kind, rng)
            step = past.step(kind, letter, 0, bars - now)
            length = 1 + int(rng.choice(bars - now, p=self._length_shares(step, style)))
            sections.append(Section(letter, now, length))
            past.add(kind, letter, length)
            now += length
        return tuple(sections)

    def _kind_shares(self, step: Step, possible: Sequence[str], style: str) -> dict[str, float]:
        floor = dict.fromkeys(possible, 1 / len(possible))
        shares = self._backed_off(self.kinds, list(_kind_contexts(step)), floor, style)
        total = sum(shares.values())
        return {kind: share / total for kind, share in shares.items()}

    def _length_shares(self, step: Step, style: str) -> np.ndarray:
        floor = {str(bars): 1 / step.left for bars in range(1, step.left + 1)}
        shares = self._backed_off(self.lengths, list(_length_contexts(step)), floor, style)
        values = np.array([shares[str(bars)] for bars in range(1, step.left + 1)])
        return values / values.sum()

    def _backed_off(
        self,
        tables: Mapping[str, Mapping[str, Counter[str]]],
        contexts: Sequence[tuple[Any, ...]],
        floor: Mapping[str, float],
        style: str,
    ) -> dict[str, float]:
        """Shares of what `floor` names: from all styles to the style, from little context to all of it."""
        shares = dict(floor)
        levels = range(len(contexts) - 1, -1, -1)
        for level, name in product(levels, dict.fromkeys((ALL_STYLES, style))):
            counts = tables.get(name, {}).get(_key(level, contexts[level]))
            if not counts:
                continue
            total = sum(counts[what] for what in floor) + _BACK_OFF
            shares = {what: (counts[what] + _BACK_OFF * share) / total for what, share in shares.items()}
        return {what: (1 - _FLOOR) * share + _FLOOR * floor[what] for what, share in shares.items()}


def _key(level: int, context: Iterable[Any]) -> str:
    return " ".join(map(str, (level, *(value if value != "" else "-" for value in context))))


def windows(form: Sequence[Section], bars: int) -> Iterator[tuple[tuple[Section, ...], int]]:
    """The pieces of a song that are counted: from the beginning of each section with melody to the end.

    Args:
        form: of the song.
        bars: to the end of its melody.

    Yields:
        (sections with letters by first appearance, bars) of `LEAST_BARS` to `MOST_BARS`.
    """
    inside = [section for section in form if section.first_bar < bars]
    for index, section in enumerate(inside):
        length = bars - section.first_bar
        if not section.has_melody or not LEAST_BARS <= length <= MOST_BARS:
            continue
        yield relettered(inside[index:], bars), length


def relettered(form: Sequence[Section], bars: int) -> tuple[Section, ...]:
    """The sections from bar 0, cut at the end, with letters in the order of their appearance."""
    names: dict[str, str] = {}
    sections = []
    for section in form:
        letter = section.name
        if section.has_melody and letter != OTHER:
            letter = names.setdefault(letter, LETTERS[min(len(names), len(LETTERS) - 1)])
        length = min(section.bars, bars - section.first_bar)
        sections.append(Section(letter, section.first_bar - form[0].first_bar, length))
    return tuple(sections)


@cache
def form_model() -> FormModel:
    """The model that comes with the package."""
    text = files("hrpe_jax.pretrained").joinpath("forms.json").read_text(encoding="utf-8")
    return FormModel.from_values(json.loads(text))


def draw_form(
    bars: int, style: str = ALL_STYLES, rng: np.random.Generator | None = None
) -> tuple[Section, ...]:
    """As `FormModel.draw`, from the model that comes with the package.

    Args:
        bars: of the piece.
        style: one that the model knows, or all together.
        rng: the source of chance; None for a new one.
    """
    return form_model().draw(bars, style, rng)
