"""Beats of the chords: which are strange, and what avoid notes lose over them."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from hrpe_jax.codec import melody_tokens as tokens
from hrpe_jax.data.chord_counts import ChordCounts
from hrpe_jax.sampling.chord_beats import AVOID, avoid_table, avoided, beat_table
from hrpe_jax.score.score import ChordSpan, Score
from hrpe_jax.theory.chord import QUALITIES, Chord
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter


def test_strange_chords_lose_their_avoid_notes() -> None:
    """By hand: over Db in C major D, Gb and A lie a semitone over a tone; over C nothing is lost."""
    chords = (
        ChordSpan(0, 48, Chord(0, "maj", 0)),
        ChordSpan(48, 24, Chord(1, "maj", 1)),
        ChordSpan(72, 24, Chord(0, "maj7", 0)),
    )
    score = Score("", "", Key(0, "major"), Meter(4, 4), 100.0, (), chords)
    table = beat_table(score)
    counts = np.zeros((2, 12, len(QUALITIES)), np.int64)
    counts[0, 0, 0] = 10**9
    avoid = avoid_table(table, score.key, "pop", ChordCounts({"pop": counts}))
    assert avoid.tolist() == pytest.approx([0] * 4 + [AVOID] * 4, abs=1e-5)
    assert not avoid_table(table, score.key, "pop", None).any()
    rows = [np.tile(part, (3, 1)) for part in (table[:, 0], avoid)]
    nats = np.asarray(avoided(jnp.asarray(rows[0]), jnp.asarray(rows[1]), jnp.array([3, 5, 7])))
    lost = [{event % 12 for event in np.flatnonzero(row > 1).tolist()} for row in nats]
    assert lost == [set(), {2, 6, 9}, {1, 5, 8}]  # over Cmaj7 the C above B is a chord tone
    assert nats[1, 62] == pytest.approx(AVOID)
    assert not nats[:, tokens.PITCHES :].any()
