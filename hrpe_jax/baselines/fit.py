"""What counting reaches on the tokens a model is trained on: the line under every validation figure.

The chords that a melody is conditioned on are not shown to the n-gram. Songs repeat themselves, so "what
followed last time" and "the phrase before, once more" are predictors too. Each names for every token the one
that it expects, and a class that tells how sure it is. How often it is right in a class is counted over
training songs; that share of the probability goes to the expected token, the rest to another predictor:

    p(w) = a_class [w is expected] + (1 - a_class) p_other(w)

`experiments/baselines` has more baselines, also with chords.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from hrpe_jax.baselines.measure import VOCABULARY, Predict, Sequence, Stage, measure, song_sequences
from hrpe_jax.baselines.ngram import NGram, Smoothing
from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.data.loader import Songs

Pointer = Callable[[Sequence], tuple[np.ndarray, np.ndarray]]
"""(expected token or -1, class from 0 up), both int `[tokens]`; causal."""

LONGEST_STREAK = 8


def what_followed(longest: int) -> Pointer:
    """Expects what followed the last time that the same tokens were said; the class is how many agree.

    Args:
        longest: Tokens that are compared at most.
    """

    def point(song: Sequence) -> tuple[np.ndarray, np.ndarray]:
        tokens = [int(token) for token in song.tokens]
        expected, agree = np.full(len(tokens), -1), np.zeros(len(tokens), np.int64)
        last: dict[tuple[int, ...], int] = {}
        for position, token in enumerate(tokens):
            for length in range(min(longest, position), 0, -1):
                found = last.get(tuple(tokens[position - length : position]))
                if found is not None:
                    expected[position], agree[position] = found, length
                    break
            for length in range(1, min(longest, position) + 1):
                last[tuple(tokens[position - length : position])] = token
        return expected, agree

    return point


def last_phrase(bars: int) -> Pointer:
    """Expects what was said so many bars before; the class is how many tokens in a row were so expected.

    In the backbone that is the event that began at the same beat, in the melody the token with the same
    number in its bar.
    """

    def point(song: Sequence) -> tuple[np.ndarray, np.ndarray]:
        places = _melody_places(song.tokens) if song.chords is not None else _backbone_places(song.tokens)
        back = bars if song.chords is not None else bars * song.beats_per_bar
        at = dict(zip(places, song.tokens.tolist(), strict=True))
        expected = np.asarray([at.get((bar - back, number), -1) for bar, number in places], np.int64)
        hits, streak, classes = expected == song.tokens, 0, np.zeros(len(places), np.int64)
        for position, hit in enumerate(hits):
            classes[position] = streak
            streak = min(streak + 1, LONGEST_STREAK) if hit else 0
        return expected, classes

    return point


def _backbone_places(tokens: np.ndarray) -> list[tuple[int, int]]:
    """(beat, 0) at which each token would begin, as events or the end do; the prefix stands apart."""
    beats = np.cumsum(backbone_tokens.BEATS[tokens], dtype=np.int64)
    begins = np.concatenate([[0], beats[:-1]])
    prefix = backbone_tokens.PREFIX_LENGTH
    return [(int(beat), -1 if i < prefix else 0) for i, beat in enumerate(begins)]


def _melody_places(tokens: np.ndarray) -> list[tuple[int, int]]:
    """(bars begun before, tokens since the last of them) of each token; a BAR is the last of its bar."""
    is_bar = np.concatenate([[False], tokens[:-1] == melody_tokens.BAR])
    begins = np.maximum.accumulate(np.where(is_bar, np.arange(len(tokens)), 0))
    return list(zip(np.cumsum(is_bar).tolist(), (np.arange(len(tokens)) - begins).tolist(), strict=True))


class Repeat:
    """Trusts a pointer as far as it was right in training songs, and another predictor for the rest.

    Args:
        pointer: `what_followed(...)` or `last_phrase(...)`.
        other: Has been fitted.
    """

    def __init__(self, pointer: Pointer, other: Predict) -> None:
        self._pointer, self._other = pointer, other
        self.trust = np.zeros(0)

    def fit(self, songs: Iterable[Sequence]) -> Repeat:
        """Counts how often the pointer is right, by class. Returns itself."""
        hits, total = np.zeros(256), np.zeros(256)
        for song in songs:
            expected, classes = self._pointer(song)
            points = song.counted & (expected >= 0)
            total += np.bincount(classes[points], minlength=256)
            hits += np.bincount(classes[points & (expected == song.tokens)], minlength=256)
        self.trust = hits / (total + 1)
        return self

    def distributions(self, song: Sequence) -> Iterator[np.ndarray]:
        """For each token the probabilities of all, given those before it: `[vocabulary]`."""
        expected, classes = self._pointer(song)
        for token, kind, probability in zip(expected, classes, self._other(song), strict=True):
            if token < 0:
                yield probability
                continue
            trust = self.trust[kind]
            mixed = (1 - trust) * probability
            mixed[token] += trust
            yield mixed


def ngram_baseline(
    dataset: Songs, stage: Stage, split: str, order: int = 5, smoothing: Smoothing = "kneser-ney"
) -> dict[str, float]:
    """Fits an n-gram on the training split and measures it on another.

    Args:
        dataset: What `open_dataset` returned.
        stage: "backbone" or "melody".
        split: The split to measure on.
        order: Longest n-gram.
        smoothing: Which; Kneser-Ney is the better one of both stages on POP909's validation split.

    Returns:
        See `prediction.measure`.
    """
    model = NGram(order, VOCABULARY[stage], smoothing)
    model.fit(song.tokens for song in song_sequences(dataset, stage, "train"))
    return measure(
        lambda song: model.distributions(song.tokens), song_sequences(dataset, stage, split), stage
    )


def repeat_baseline(
    dataset: Songs, stage: Stage, split: str, order: int = 5, longest: int = 8
) -> dict[str, float]:
    """Expects what followed last time in the song itself, and trusts an n-gram for the rest.

    Args:
        dataset: What `open_dataset` returned.
        stage: "backbone" or "melody".
        split: The split to measure on.
        order: Of the Kneser-Ney n-gram.
        longest: Tokens that are compared at most to find the last time.

    Returns:
        See `prediction.measure`.
    """
    train = song_sequences(dataset, stage, "train")
    ngram = NGram(order, VOCABULARY[stage], "kneser-ney").fit(song.tokens for song in train)
    model = Repeat(what_followed(longest), lambda song: ngram.distributions(song.tokens)).fit(train)
    return measure(model.distributions, song_sequences(dataset, stage, split), stage)
