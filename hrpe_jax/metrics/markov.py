"""A Markov melody given chords: counts of the next token after the last ones and the chord it begins over.

Chords are written between the tokens, each before the token that begins over it, and an n-gram is counted of
the whole. Its contexts at a token are, from short to long: nothing; the chord; the token before and the
chord; the chord before, too; ...
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from hrpe_jax.codec import backbone_tokens
from hrpe_jax.metrics.ngram import NGram, Smoothing
from hrpe_jax.metrics.ppm import PPM
from hrpe_jax.metrics.sequences import Sequence

CHORD_CODES = 12 * backbone_tokens.NO_QUALITY_CODE + 1
"""Roots with coarse qualities, and no chord."""


def chord_codes(chords: np.ndarray) -> np.ndarray:
    """Root and coarse quality of backbone tokens as one number, 0..CHORD_CODES - 1; the last is no chord."""
    quality = backbone_tokens.QUALITY_CODE[chords].astype(np.int64)
    code = backbone_tokens.ROOT[chords] * np.int64(backbone_tokens.NO_QUALITY_CODE) + quality
    return np.where(quality == backbone_tokens.NO_QUALITY_CODE, CHORD_CODES - 1, code)


class GivenChords:
    """A model of chords and tokens in turn, asked only for the tokens.

    Args:
        model: What counts, with a vocabulary of `vocab_size + CHORD_CODES`.
        vocab_size: Number of melody tokens.
    """

    def __init__(self, model: NGram | PPM, vocab_size: int) -> None:
        self._model, self._vocab_size = model, vocab_size

    def fit(self, songs: Iterable[Sequence]) -> GivenChords:
        """Counts training songs, which have chords. Returns itself."""
        self._model.fit(map(self._interleave, songs))
        return self

    def distributions(self, song: Sequence) -> Iterator[np.ndarray]:
        """For each token the probabilities of all, given those before and its chord: `[vocab_size]`."""
        for position, probability in enumerate(self._model.distributions(self._interleave(song))):
            if position % 2:
                melody = probability[: self._vocab_size]
                yield melody / melody.sum()

    def _interleave(self, song: Sequence) -> np.ndarray:
        assert song.chords is not None
        return np.stack([self._vocab_size + chord_codes(song.chords), song.tokens], axis=1).ravel()


def markov_melody(tokens: int, vocab_size: int, smoothing: Smoothing = "kneser-ney") -> GivenChords:
    """A Markov chain over melody tokens, given the chords.

    Args:
        tokens: How many tokens before the next one it looks at (1: first order), with their chords.
        vocab_size: Number of melody tokens.
        smoothing: See `ngram`.
    """
    return GivenChords(NGram(2 * tokens + 1, vocab_size + CHORD_CODES, smoothing), vocab_size)
