"""A Markov melody given chords: counts of the next token after the last note and over the chord.

Before each token stand the last pitch, the chord it begins over and the token before, as symbols of their
own, and an n-gram is counted of the whole. Its contexts at a token are, from short to long: nothing; the
token before; the chord, too; the last pitch, too; ... and so on with the tokens before, for a higher order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from hrpe_jax.baselines.measure import Sequence
from hrpe_jax.baselines.ngram import NGram, Smoothing
from hrpe_jax.codec import backbone_tokens
from hrpe_jax.codec.melody_tokens import PITCHES, SIZE

CHORD_CODES = 12 * backbone_tokens.NO_QUALITY_CODE + 1
"""Roots with coarse qualities, and no chord."""

_SYMBOLS = 4  # to a token
_BEFORE, _CHORD, _LAST = SIZE, 2 * SIZE, 2 * SIZE + CHORD_CODES  # where each kind of symbol begins
_VOCABULARY = _LAST + PITCHES + 1


def chord_codes(chords: np.ndarray) -> np.ndarray:
    """Root and coarse quality of backbone tokens as one number, 0..CHORD_CODES - 1; the last is no chord."""
    quality = backbone_tokens.QUALITY_CODE[chords].astype(np.int64)
    code = backbone_tokens.ROOT[chords] * np.int64(backbone_tokens.NO_QUALITY_CODE) + quality
    return np.where(quality == backbone_tokens.NO_QUALITY_CODE, CHORD_CODES - 1, code)


class MarkovMelody:
    """A Markov chain over melody tokens, given the chords.

    Args:
        order: How many tokens it looks back, with their chords and last pitches; 1 for a first-order chain.
        smoothing: See `ngram`.
    """

    def __init__(self, order: int = 1, smoothing: Smoothing = "kneser-ney") -> None:
        self._model = NGram(_SYMBOLS * order, _VOCABULARY, smoothing)

    def fit(self, songs: Iterable[Sequence]) -> MarkovMelody:
        """Counts training songs, which have chords. Returns itself."""
        self._model.fit(map(_symbols, songs))
        return self

    def distributions(self, song: Sequence) -> Iterator[np.ndarray]:
        """For each token the probabilities of all, given those before and its chord: `[tokens]`."""
        for position, probability in enumerate(self._model.distributions(_symbols(song))):
            if position % _SYMBOLS == _SYMBOLS - 1:
                melody = probability[:SIZE]
                yield melody / melody.sum()


def _symbols(song: Sequence) -> np.ndarray:
    """Last pitch, chord, token before and token, for each token in turn."""
    assert song.chords is not None, "a melody with chords is needed"
    before = np.concatenate([[song.tokens[0]], song.tokens[:-1]])
    at = np.maximum.accumulate(np.where(before < PITCHES, np.arange(len(before)), -1))
    last = np.where(at < 0, PITCHES, before[at])
    symbols = [_LAST + last, _CHORD + chord_codes(song.chords), _BEFORE + before, song.tokens]
    return np.stack(symbols, axis=1).ravel()
