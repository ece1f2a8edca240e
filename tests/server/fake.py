"""A composer without a model, with the interface that the studio needs: quick, seeded, fit to look at."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import replace
from typing import Any

from hrpe_jax.errors import UserError
from hrpe_jax.sampling.chord_input import read_chords
from hrpe_jax.score.form import Section
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.function import parse_roman

_LOOP = ("I", "vi", "IV", "V7", "I", "ii7", "V7", "I")


class FakeComposer:
    """Writes chords of a loop and notes of the scale.

    Args:
        pause: an event that is waited for before every answer; None for none.
    """

    def __init__(self, pause: threading.Event | None = None) -> None:
        self.pause = pause
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._random = random.Random(1)

    def compose(self, **options: Any) -> list[Score]:
        """As `Composer.compose`, with what the studio gives."""
        self._begin("compose", options)
        prime = options.get("prime")
        if prime is not None:
            bar = prime.meter.bar_ticks
            longer = _long(prime, prime.end + options["bars"] * bar)
            first = prime.end // bar + 1
            return [
                self._filled(longer, first, first + options["bars"] - 1, "both")
                for _ in range(options["num_pieces"])
            ]
        key, meter = options["key"], options["meter"]
        if options.get("chords"):
            timed, _ = read_chords(options["chords"], meter, key)
            ticks = sum(beats for _, beats in timed) * meter.beat_ticks
            if options.get("form"):
                ticks = sum(map(int, re.findall(r"[0-9]+", options["form"]))) * meter.bar_ticks
        else:
            timed = []
            bars = options.get("bars") or sum(map(int, re.findall(r"[0-9]+", options["form"])))
            ticks = bars * meter.bar_ticks
        blank = Score("fake", "", key, meter, options["tempo"], (), (ChordSpan(0, ticks, Chord.NONE),))
        pieces = []
        for _ in range(options["num_pieces"]):
            piece = self._filled(blank, 1, ticks // meter.bar_ticks, "both")
            spans, beat = list(piece.chords), 0
            for chord, beats in timed:
                if chord is not None:
                    start, end = beat * meter.beat_ticks, (beat + beats) * meter.beat_ticks
                    spans = [s for s in spans if not start <= s.onset < end]
                    spans.append(ChordSpan(start, end - start, chord))
                beat += beats
            halves = (Section("A", 0, 4), Section("A'", 4, ticks // meter.bar_ticks - 4))
            form = halves if ticks > 4 * meter.bar_ticks else ()
            pieces.append(replace(piece, chords=tuple(sorted(spans, key=lambda s: s.onset)), form=form))
        return pieces

    def suggest(
        self,
        score: Score,
        bars: tuple[int, int] = (1, 4),
        what: str = "melody",
        count: int = 4,
        *,
        keep: Any = (),
        distance: float = 0.5,
        candidates: int = 32,
        style: str | None = None,
        seed: int = 0,
    ) -> list[Score]:
        """As `Composer.suggest`."""
        self._begin("suggest", {"bars": bars, "what": what, "count": count, "keep": keep})
        return [self._filled(score, bars[0], bars[1], what) for _ in range(count)]

    def harmonize(
        self,
        score: Score,
        count: int = 1,
        keep: Any = None,
        *,
        bars: tuple[int, int] | None = None,
        style: str | None = None,
        seed: int = 0,
    ) -> list[Score]:
        """As `Composer.harmonize`."""
        self._begin("harmonize", {"count": count})
        if not score.melody:
            raise UserError("harmonize: the piece has no melody")
        bars = len(score.bar_starts())
        return [self._filled(score, 1, bars, "chords") for _ in range(count)]

    def _begin(self, name: str, options: dict[str, Any]) -> None:
        self.calls.append((name, options))
        if self.pause is not None:
            assert self.pause.wait(30)

    def _filled(self, score: Score, first: int, last: int, what: str) -> Score:
        draw, bar, beat = self._random, score.meter.bar_ticks, score.meter.beat_ticks
        start, end = (first - 1) * bar, last * bar
        notes, spans = list(score.melody), list(score.chords)
        if what != "chords":
            notes = [n for n in notes if not start <= n.onset < end]
            notes = [
                n if n.onset >= start else replace(n, duration=min(n.end, start) - n.onset) for n in notes
            ]
            degree, onset = draw.randrange(7), start
            while onset < end:
                long = min(draw.choice((beat // 2, beat // 2, beat, beat, 2 * beat)), end - onset)
                degree = max(0, min(10, degree + draw.choice((-2, -1, -1, 0, 1, 1, 2))))
                pitch = 60 + score.key.tonic % 12 + 12 * (degree // 7)
                pitch += (score.key.scale[degree % 7] - score.key.tonic) % 12
                if draw.random() < 0.9:
                    notes.append(Note(onset, long, pitch))
                onset += long
        if what in ("chords", "both"):
            spans = [replace(s, duration=min(s.end, start) - s.onset) for s in spans if s.onset < start] + [
                s for s in spans if s.onset >= end
            ]
            shift = draw.randrange(len(_LOOP))
            for number, onset in enumerate(range(start, end, bar)):
                chord = parse_roman(_LOOP[(number + shift) % len(_LOOP)], score.key)
                spans.append(ChordSpan(onset, min(bar, end - onset), chord))
        spans.sort(key=lambda s: s.onset)
        return replace(score, melody=tuple(sorted(notes)), chords=tuple(spans), form=())


def _long(score: Score, end: int) -> Score:
    last = max([s.end for s in score.chords], default=0)
    return replace(score, chords=(*score.chords, ChordSpan(last, end - last, Chord.NONE)), form=())
