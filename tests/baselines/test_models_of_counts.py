"""PPM with memory, Markov melodies over chords, and copying: sums, causality, hand-worked values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from experiments.baselines.markov import CHORD_CODES, MarkovMelody, chord_codes
from experiments.baselines.ppm import PPM
from hrpe_jax.baselines.measure import Sequence, with_perplexities
from hrpe_jax.baselines.ngram import NGram, Repeat, last_phrase, what_followed
from hrpe_jax.codec import backbone_tokens as bt
from hrpe_jax.codec import melody_tokens as mt
from hrpe_jax.theory.chord import Chord

C, F, G = (bt.chord_id(Chord(root, "maj"), 4) for root in (0, 5, 7))
SONG = np.array([0, 1, 2, 0, 1, 2, 0, 1, 3, 0])
SIZE = 6


def melody(seed: int, length: int = 60) -> Sequence:
    rng = np.random.default_rng(seed)
    tokens = rng.choice([mt.BAR, 60, 62, mt.DUR0 + 5, mt.POS0 + 5], length)
    chords = bt.HARMONY[rng.choice([C, F, G, bt.NO_CHORD0], length)].astype(np.int64)
    return Sequence(np.asarray([mt.BOS, *tokens]), np.arange(length + 1) >= 1, np.asarray([99, *chords]))


def backbone(*events: int) -> Sequence:
    tokens = np.asarray([bt.BOS, bt.KEY0, bt.METER0 + 13, *events, bt.EOS])
    return Sequence(tokens, np.arange(len(tokens)) >= 3, None, 4)


TRAIN = [melody(seed) for seed in range(3)]


def on_tokens(model: Any) -> Any:
    model.fit(song.tokens for song in TRAIN)
    return lambda song: model.distributions(song.tokens)


MODELS: dict[str, Callable[[], Any]] = {
    **{
        f"{kind}, {weight}": lambda kind=kind, weight=weight: on_tokens(PPM(4, mt.SIZE, kind, weight))
        for kind in ("c", "d", "witten-bell")
        for weight in (0.0, 0.5, 20.0)
    },
    "markov": lambda: MarkovMelody(1).fit(TRAIN).distributions,
    "markov, order 2": lambda: MarkovMelody(2, "witten-bell").fit(TRAIN).distributions,
    "followed": lambda: Repeat(what_followed(4), on_tokens(NGram(2, mt.SIZE))).fit(TRAIN).distributions,
    "phrase": lambda: Repeat(last_phrase(2), on_tokens(NGram(2, mt.SIZE))).fit(TRAIN).distributions,
}


@pytest.mark.parametrize("name", MODELS)
def test_probabilities_sum_to_one_and_do_not_know_the_future(name: str) -> None:
    predict = MODELS[name]()
    song, other = melody(7), melody(8)
    found = [probability.copy() for probability in predict(song)]
    assert len(found) == len(song.tokens)
    for probability in found:
        assert probability.min() >= 0
        assert probability.sum() == pytest.approx(1)
    assert all(found[i][token] > 0 for i, token in enumerate(song.tokens))
    cut = 20  # everything from here on is another song, but the chord over the next token is known
    mixed = song._replace(tokens=np.concatenate([song.tokens[:cut], other.tokens[cut:]]))
    if song.chords is not None:
        chords = np.concatenate([song.chords[: cut + 1], other.chords[cut + 1 :]])
        mixed = mixed._replace(chords=chords)
    for before, after in zip(found[: cut + 1], predict(mixed), strict=False):
        np.testing.assert_allclose(before, after, rtol=1e-12)


def test_escape_by_hand() -> None:
    """After 0 1 were 2 (twice) and 3; after 1 the same; in all 0 four times, 1 three, 2 two, 3 one."""
    c, d = ([*PPM(3, SIZE, kind).fit([SONG]).distributions(SONG)][2] for kind in ("c", "d"))
    # C: 3 counts, 2 kinds; the context 1 adds nothing new; of the rest 0: 4 and 1: 3, 2 kinds; then 4 and 5.
    np.testing.assert_allclose(c, [2 / 5 * 4 / 9, 2 / 5 * 3 / 9, 2 / 5, 1 / 5, *[2 / 5 * 2 / 9 / 2] * 2])
    np.testing.assert_allclose(d, [1 / 3 * 3.5 / 7, 1 / 3 * 2.5 / 7, 1.5 / 3, 0.5 / 3, *[1 / 3 / 7 / 2] * 2])


def test_without_memory_it_is_the_ngram() -> None:
    song = np.array([0, 1, 2, 0, 1, 3])
    expected = np.stack([*map(np.copy, NGram(3, SIZE).fit([SONG]).distributions(song))])
    found = np.stack([*PPM(3, SIZE, "witten-bell").fit([SONG]).distributions(song)])
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize("blending", ["c", "d", "witten-bell"])
def test_memory_counts_what_the_song_has_said(blending: Any) -> None:
    song = np.array([4, 5, 4, 5, 4])
    with_memory = [*PPM(3, SIZE, blending, 10.0).fit([SONG]).distributions(song)]
    np.testing.assert_allclose(
        with_memory[0], next(PPM(3, SIZE, blending).fit([SONG]).distributions(song)), rtol=1e-12
    )
    assert with_memory[3][5] > 0.6  # 5 followed 4 before
    assert with_memory[4].argmax() == 4
    with pytest.raises(ValueError, match="negative"):
        PPM(3, SIZE, blending, -1.0)


def test_chord_codes_are_roots_with_coarse_qualities() -> None:
    codes = chord_codes(np.arange(bt.SIZE))
    assert (codes.min(), codes.max(), len(set(codes))) == (0, CHORD_CODES - 1, CHORD_CODES)
    assert codes[bt.chord_id(Chord(7, "min7"), 1)] == 7 * 9 + 6
    assert codes[bt.chord_id(Chord(7, "min7", 10), 8)] == 7 * 9 + 6
    assert codes[bt.NO_CHORD0 + 3] == CHORD_CODES - 1


def test_a_markov_melody_listens_to_the_chord() -> None:
    """Over F comes 65, over C comes 60, whatever came before."""
    chords = np.tile(bt.HARMONY[[C, F]], 40).astype(np.int64)
    tokens = np.where(chords == bt.HARMONY[C], 60, 65)
    song = Sequence(np.asarray(tokens), np.ones(80, bool), chords)
    model = MarkovMelody(1).fit([song])
    over_f = song._replace(chords=np.full(80, bt.HARMONY[F]), tokens=np.full(80, 60))
    assert [p.argmax() for p in model.distributions(over_f)] == [65] * 80


def test_what_followed_last_time_by_hand() -> None:
    song = Sequence(SONG, np.ones(len(SONG), bool))
    expected, agree = what_followed(2)(song)
    assert expected.tolist() == [-1, -1, -1, -1, 1, 2, 0, 1, 2, -1]
    assert agree[expected >= 0].tolist() == [1, 2, 2, 2, 2]
    trust = Repeat(what_followed(2), lambda _: iter(())).fit([song]).trust
    assert trust[1] == pytest.approx(1 / 2)
    assert trust[2] == pytest.approx(3 / 5)  # 3 of 4 were right, and one more try for safety


def test_the_last_phrase_of_chords_begins_at_the_same_beat() -> None:
    expected, streak = last_phrase(2)(backbone(C, F, C, F, C, G))
    assert expected.tolist() == [-1, -1, -1, -1, -1, C, F, C, F, C]
    assert streak.tolist() == [0, 0, 0, 0, 0, 0, 1, 2, 3, 0]
    long = bt.chord_id(Chord(0, "maj"), 8)
    assert last_phrase(2)(backbone(long, C, F, C))[0].tolist()[3:] == [-1, long, -1, C, F]


def test_the_last_phrase_of_a_melody_counts_tokens_in_the_bar() -> None:
    bar, short = [mt.BAR, 60, mt.DUR0, 62, mt.DUR0], [mt.BAR, 60, mt.DUR0]
    tokens = np.asarray([mt.BOS, *bar, *short, *bar, *short, *bar])
    song = Sequence(tokens, np.ones(len(tokens), bool), np.full(len(tokens), bt.NO_CHORD0))
    expected, streak = last_phrase(2)(song)
    assert expected.tolist()[10:] == tokens.tolist()[2:14]  # from the second BAR of the first phrase on
    assert streak[-1] == 8


def test_perplexities_stand_beside_likelihoods() -> None:
    figures = {"nll": 1.0, "chord_nll": 0.5, "nll_per_bar": 800.0, "accuracy": 0.25}
    assert with_perplexities(figures) == {
        **figures,
        "perplexity": pytest.approx(math.exp(1)),
        "chord_perplexity": pytest.approx(math.exp(0.5)),
        "perplexity_per_bar": math.exp(700),
    }
