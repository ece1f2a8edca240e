"""A piece of any length, bar by bar, as the melody is written."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from flax.errors import FlaxError

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import melody, melody_tokens
from hrpe_jax.errors import UserError
from hrpe_jax.sampling.compose import Piece, finish, shown_as_typed
from hrpe_jax.sampling.controls import Controls
from hrpe_jax.sampling.melody_batch import score_of
from hrpe_jax.sampling.planner import plan_melodies, plan_pieces
from hrpe_jax.sampling.stage_calls import melody_calls, melody_prefix, misfit, write_chords
from hrpe_jax.score.score import ChordSpan, Note
from hrpe_jax.theory.chord import to_lead_sheet
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter

STEPS = 64  # events of a call: a few bars
_VEL0, _DUR0 = melody_tokens.VEL0, melody_tokens.DUR0


@dataclass(frozen=True)
class BarOfPiece:
    """One bar.

    Attributes:
        number: from 1.
        onset: ticks from the piece's start to the bar's.
        duration: ticks.
        key: of the piece.
        meter: of the piece.
        chords: that begin in this bar.
        notes: that begin in this bar.
        event_ids: melody tokens of the bar, from BAR on.
    """

    number: int
    onset: int
    duration: int
    key: Key
    meter: Meter
    chords: tuple[ChordSpan, ...]
    notes: tuple[Note, ...]
    event_ids: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON values: times in ticks, 12 to the quarter note, from the piece's start."""
        return {
            "bar": self.number,
            "onset": self.onset,
            "duration": self.duration,
            "chords": [
                [span.onset, span.duration, to_lead_sheet(span.chord, self.key)] for span in self.chords
            ],
            "notes": [[note.onset, note.duration, note.pitch, note.velocity] for note in self.notes],
            "event_ids": list(self.event_ids),
        }


def stream(model: Model, controls: Controls) -> Generator[BarOfPiece, None, Piece]:
    """Yields the bars of the first piece that `compose_pieces` would give, as soon as each is sure.

    A bar is sure when it is known how long its last note is tied on, mostly two events into the next bar.

    Returns:
        The whole piece, as the value of the generator.

    Raises:
        UserError: as `compose_pieces`; or a form is asked for, which is written as a whole.
    """
    if controls.form is not None:
        raise UserError("--form: a form is written as a whole, not bar by bar; leave it out")
    if controls.stage == "backbone":
        raise UserError("--stage: bars need a melody; backbone alone is written as a whole")
    return _bars(model, controls)


def _bars(model: Model, controls: Controls) -> Generator[BarOfPiece, None, Piece]:
    try:
        plans = plan_pieces(model, controls, [0])
        (chords,), chord_nats = write_chords(model, controls, [0], plans)
        plans = plan_melodies(model, controls, [0], plans, [chords])
        prime = controls.continued
        score = score_of(chords, None if prime is None else prime.score)
        waiting = list(shown_as_typed(score.chords, controls))
        pending = melody_prefix(controls)[1:]  # events from the first bar that was not given out on
        number = onset = 0
        loud: list[int] = []  # the last VEL event
        events, chances = melody_prefix(controls), []
        for ids, likelihood in melody_calls(model, controls, [0], [chords], plans, STEPS):
            said = ids[0] != melody_tokens.PAD
            events += ids[0, said].tolist()
            pending += ids[0, said].tolist()
            chances += likelihood[0, said].tolist()
            while (cut := _first_bar(pending, score.meter.bar_ticks)) is not None:
                upto, known = cut
                line = melody.decode([*pending[:1], *loud, *pending[1:known], melody_tokens.EOS], score.meter)
                end = melody.decode([*pending[:upto], melody_tokens.EOS], score.meter).end
                notes = [note for note in line.notes if note.onset < end]
                begun = [span for span in waiting if span.onset < onset + end]
                waiting = waiting[len(begun) :]
                number += 1
                yield BarOfPiece(
                    number,
                    onset,
                    end,
                    score.key,
                    score.meter,
                    tuple(begun),
                    tuple(replace(note, onset=onset + note.onset) for note in notes),
                    tuple(pending[:upto]),
                )
                loud = [event for event in pending[:upto] if _VEL0 <= event < _DUR0][-1:] or loud
                onset, pending = onset + end, pending[upto:]
        nats = {"backbone": chord_nats[0]} if chord_nats else {}
        costs = {**nats, "melody": -float(np.mean(chances))}
        return finish(controls, 0, chords, events, costs, plans[0] if plans else None)
    except FlaxError as error:
        raise misfit(model, error) from None


def _first_bar(events: list[int], bar_ticks: int) -> tuple[int, int] | None:
    """Where the first bar of these events ends, and up to where they say how long its last note is.

    None where that is not known yet: the bar is not over, or all that was said since may be a tied note.
    """
    ends = [place for place, event in enumerate(events) if event in (melody_tokens.BAR, melody_tokens.EOS)]
    if len(ends) < 2:
        return None
    for line in ends[1:]:
        if events[line] == melody_tokens.EOS:
            return ends[1], line
        place, tied = line + 1, 0
        while place < len(events) and _VEL0 <= events[place] < melody_tokens.POS0:
            tied += int(melody_tokens.DURATION[events[place]])
            place += 1
        if place == len(events):
            return None
        if tied < bar_ticks:
            return ends[1], place
    return None
