"""Agreement with MusPy, mir_eval and smg-metrics where definitions agree, and where and why they do not.

Each test is skipped where its program is not installed.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from hrpe_jax.metrics import harmony, rhythm
from hrpe_jax.metrics.arrays import piece_of
from hrpe_jax.metrics.harmony import pitch_class_entropy
from hrpe_jax.score.score import ChordSpan, Note, Score
from hrpe_jax.theory.chord import QUALITIES, Chord, to_harte
from hrpe_jax.theory.key import Key
from hrpe_jax.theory.meter import Meter
from tests.metrics.music import tune


def load(name: str) -> Any:
    """A module, or a skip; others' deprecation warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, exc_type=ImportError)


@pytest.fixture
def muspy() -> ModuleType:
    return load("muspy")


def in_muspy(muspy: ModuleType, score: Score) -> Any:
    notes = [muspy.Note(n.onset, n.pitch, n.duration) for n in score.melody]
    return muspy.Music(resolution=12, tracks=[muspy.Track(notes=notes)])


def test_muspy_pitches(muspy: ModuleType) -> None:
    for seed in range(5):
        score = tune(seed)
        music = in_muspy(muspy, score)
        # Its entropy is that of the whole piece, not the mean over windows as H1 and H4.
        assert muspy.pitch_class_entropy(music) == pytest.approx(pitch_class_entropy(score, 8))
        assert muspy.pitch_class_entropy(music) > pitch_class_entropy(score, 1) + 0.1
        if score.key.mode == "major":
            rate = muspy.pitch_in_scale_rate(music, score.key.tonic, "major")
            assert harmony.in_key_share(score, "notes") == pytest.approx(rate)


def test_muspy_minor_has_no_raised_sixth_and_seventh(muspy: ModuleType) -> None:
    melody = tuple(Note(12 * i, 12, pitch) for i, pitch in enumerate((69, 71, 72, 78, 80, 81)))
    score = Score("t", "", Key(9, "minor"), Meter(4, 4), 120.0, melody, ())  # A B C F# G# A
    assert muspy.pitch_in_scale_rate(in_muspy(muspy, score), 9, "minor") == pytest.approx(4 / 6)
    assert harmony.in_key_share(score, "notes") == 1


def test_muspy_groove_has_one_bar_more_where_the_music_ends_on_a_bar_line(muspy: ModuleType) -> None:
    notes = [Note(48 * bar + onset, 6, 60) for bar in range(4) for onset in (0, 12, 30)]
    early = Score("t", "", Key(0, "major"), Meter(4, 4), 120.0, tuple(notes), ())
    assert muspy.groove_consistency(in_muspy(muspy, early), 48) == pytest.approx(1)
    assert rhythm.groove_consistency(early, None) == 1
    late = Score("t", "", Key(0, "major"), Meter(4, 4), 120.0, (*notes[:-1], Note(174, 18, 60)), ())
    assert rhythm.groove_consistency(late, None) == 1
    # Four pairs, the last one with an empty bar, which lacks three onsets.
    assert muspy.groove_consistency(in_muspy(muspy, late), 48) == pytest.approx(1 - 3 / (48 * 4))


def test_muspy_groove_of_tunes(muspy: ModuleType) -> None:
    for seed in range(5):
        score = tune(seed)
        last = score.melody[-1]
        cut = (*score.melody[:-1], Note(last.onset, max(1, last.duration - 1), last.pitch))
        score = Score("t", "", score.key, score.meter, 120.0, cut, ())
        expected = muspy.groove_consistency(in_muspy(muspy, score), 48)
        assert rhythm.groove_consistency(score, None) == pytest.approx(expected)


def test_mir_eval_has_the_same_chord_tones() -> None:
    mir_eval = load("mir_eval")
    for root in range(12):
        for quality in QUALITIES:
            chord = Chord(root, quality)
            score = Score("t", "", Key(0, "major"), Meter(4, 4), 1, (), (ChordSpan(0, 1, chord),))
            (tones,) = piece_of(score).chord_tones
            # By default it leaves ninths and above out.
            at, bitmap, _ = mir_eval.chord.encode(to_harte(chord), reduce_extended_chords=True)
            theirs = np.roll(bitmap, at).astype(bool)
            if quality in (
                "13",
                "maj13",
            ):  # there with the eleventh, which players leave out over a major third
                theirs[(root + 5) % 12] = False
            np.testing.assert_array_equal(tones, theirs, err_msg=str(chord))


def test_smg_metrics_counts_the_sixteenth_after_an_out_of_key_note(tmp_path: Path) -> None:
    theirs = load("smg_metrics.harmony")
    pitches = [60, 62, 64, 65, 67, 69, 71, 72, 60, 64, 67, 66, 60, 64, 67, 72]
    notes = tuple(Note(12 * i, 12, pitch) for i, pitch in enumerate(pitches))
    score = Score("t", "", Key(0, "major"), Meter(4, 4), 120.0, notes, ())
    from hrpe_jax.formats.midi.write import write_midi

    write_midi(score, tmp_path / "t.mid")
    assert harmony.out_of_key_share(score) == pytest.approx(4 / 64)  # a quarter F#
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert theirs.out_of_key_fraction(tmp_path / "t.mid") == pytest.approx(5 / 64)
