"""What counting reaches on the tokens a model is trained on: the line under every validation figure.

The chords that a melody is conditioned on are not shown to the n-gram. More baselines, also with chords:
`markov`, `ppm`, `repeat`.
"""

from __future__ import annotations

from hrpe_jax.baselines.measure import VOCABULARY, Stage, measure, song_sequences
from hrpe_jax.baselines.ngram import NGram, Smoothing
from hrpe_jax.baselines.repeat import Repeat, what_followed
from hrpe_jax.data.loader import Songs


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
