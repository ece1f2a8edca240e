"""A piece to go on from, or whose chords get a new melody: what both stages are given of it."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

from hrpe_jax.analysis.harmony_hmm import find_melody_chords
from hrpe_jax.codec import backbone, melody
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec.melody_tokens import BAR, EOS, REST
from hrpe_jax.errors import UserError, cut
from hrpe_jax.sampling.chord_input import GAP, Timed
from hrpe_jax.score.score import Score, bar_spans

USES = ("continue", "chords")


@dataclass(frozen=True)
class Prime:
    """What was read from a file, and what for.

    Attributes:
        score: its music.
        use: "continue": the piece begins with it and goes on; "chords": its chords get a new melody.
        chords_found: whether its chords are not its own, but found under its melody.
    """

    score: Score
    use: str = "continue"
    chords_found: bool = False

    def __post_init__(self) -> None:
        if self.use not in USES:
            raise UserError(f"--prime_use: {cut(self.use)!r}: one of {', '.join(USES)}, harmonize expected")
        name = self.score.id or "the file"
        sounding = any(not span.chord.is_none for span in self.score.chords)
        if self.use == "continue" and not self.score.melody:
            instead = "; --prime_use=chords writes one over its chords" if sounding else ""
            raise UserError(f"--prime: {name} has no melody to go on from{instead}")
        if self.use == "chords" and not sounding:
            raise UserError(f"--prime: {name} has no chords to write a melody over; give --chords instead")

    @classmethod
    def of(cls, score: Score, use: str = "continue") -> Prime:
        """A prime. A melody alone that is gone on from gets chords that fit it: after bars without any, the
        model writes hardly any.

        Raises:
            UserError: there is nothing to use.
        """
        bare = all(span.chord.is_none for span in score.chords)
        if use == "continue" and bare and (chords := find_melody_chords(score)):
            return cls(replace(score, chords=chords), use, chords_found=True)
        return cls(score, use)

    @property
    def bars(self) -> int:
        """Its bars, a short one at the start and others included."""
        return len(bar_spans(self.score))

    @functools.cached_property
    def harmony(self) -> list[int]:
        """Its harmony on every beat, as one-beat tokens; -1 behind the last chord in the last bar."""
        grid, harmony = backbone.harmony_of_beats(self.score)
        sounding = [span.end for span in self.score.chords if not span.chord.is_none]
        last_bar = bar_spans(self.score)[-1][0]
        open_from = max(last_bar, sounding[-1]) if sounding else last_bar
        ticks = grid.ticks[:-1]
        return [-1 if tick >= open_from else int(token) for tick, token in zip(ticks, harmony, strict=True)]

    @functools.cached_property
    def phases(self) -> list[int]:
        """The beat of the bar at each of its beats, and 0 behind the last."""
        grid, _ = backbone.harmony_of_beats(self.score)
        return [int(phase) for phase in grid.phases]

    @functools.cached_property
    def backbone_ids(self) -> list[int]:
        """BOS to the chord before its last, which may last longer than it did."""
        return backbone.encode_ids(self.score)[:-2]

    @functools.cached_property
    def event_ids(self) -> list[int]:
        """Its melody from BOS on; a rest that ends it is left off, so that what follows may begin earlier."""
        ids = melody.encode_ids(self.score)
        assert ids[-1] == EOS
        return ids[:-2] if ids[-2] == REST else ids[:-1]

    @property
    def bars_begun(self) -> int:
        """Bars that `event_ids` begins."""
        return self.event_ids.count(BAR)

    def chords(self) -> Timed:
        """Its chords in full bars: a pickup is left out, in other short bars the last chord lasts longer."""
        _, harmony = backbone.harmony_of_beats(self.score)
        meter, per_bar, beat = self.score.meter, self.score.meter.beats_per_bar, 0
        timed: Timed = []
        for number, (_, length) in enumerate(bar_spans(self.score)):
            beats = -(-length // meter.beat_ticks)
            here = [(tokens.id_chord(int(token)), 1) for token in harmony[beat : beat + beats]]
            beat += beats
            if number or beats == per_bar or len(harmony) <= per_bar:
                timed += [*here, *[here[-1]] * (per_bar - beats)]
        return [(chord if chord is not None else GAP, beats) for chord, beats in timed]
