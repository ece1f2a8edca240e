"""Smoothed n-grams of token sequences: the baseline every trained model is printed beside.

All counts come from sorting integers. A context of m tokens that ends at a position gets an id by joining the
id of its first m - 1 tokens with its last token, so the n-grams of each order are one `numpy.unique`.

Two smoothings, both interpolated down to a uniform distribution over the vocabulary, so that every token has
a probability above zero and the probabilities sum to one:

- Witten-Bell: p(w|h) = (c(hw) + T(h) p(w|h')) / (c(h) + T(h)), T(h) = distinct tokens seen after h.
  Witten and Bell, IEEE Trans. Inf. Theory 37(4), 1991.
- Modified Kneser-Ney: p(w|h) = (c(hw) - D(c(hw))) / c(h) + sum D / c(h) p(w|h'), three discounts an order;
  below the highest order c counts distinct left neighbours.
  Chen and Goodman, Computer Speech and Language 13(4), 1999.

The chords that a melody is conditioned on are not shown to the n-gram. Songs repeat themselves, so "what
followed last time" and "the phrase before, once more" are predictors too. Each names for every token the one
that it expects, and a class that tells how sure it is. How often it is right in a class is counted over
training songs; that share of the probability goes to the expected token, the rest to another predictor:

    p(w) = a_class [w is expected] + (1 - a_class) p_other(w)

`experiments/baselines` has more baselines, also with chords.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hrpe_jax.baselines.measure import VOCABULARY, Predict, Stage, measure, song_sequences
from hrpe_jax.baselines.measure import Sequence as TokenSequence
from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.data.loader import Songs

Smoothing = Literal["witten-bell", "kneser-ney"]


@dataclass(frozen=True)
class _Order:
    """Counts of the n-grams of one order, sorted by context, then token.

    The weights are those of the interpolation: p(w|h) = gram weight + context backoff * p(w|h').

    Attributes:
        keys: int64 `[grams]`, context id * vocabulary size + token, sorted. A gram's id is its index here.
        counts: `[grams]`, what the weights were made of.
        weights: float64 `[grams]`.
        starts: int64 `[contexts + 1]`: grams of context i are `starts[i]:starts[i + 1]`.
        contexts: int64 `[contexts]`, context ids, sorted.
        backoff: float64 `[contexts]`.
    """

    keys: np.ndarray
    counts: np.ndarray
    weights: np.ndarray
    starts: np.ndarray
    contexts: np.ndarray
    backoff: np.ndarray


def _find(sorted_keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Index of each wanted key, -1 where it is missing."""
    if not len(sorted_keys):
        return np.full(np.shape(wanted), -1, np.int64)
    at = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    return np.where(sorted_keys[at] == wanted, at, -1)


class NGram:
    """An interpolated n-gram model.

    Args:
        order: Longest n-gram; order 1 looks at no context.
        vocab_size: Number of token ids.
        smoothing: "witten-bell" or "kneser-ney" (modified).
    """

    def __init__(self, order: int, vocab_size: int, smoothing: Smoothing = "witten-bell") -> None:
        if order < 1 or vocab_size < 1:
            raise ValueError(f"order {order} and vocabulary size {vocab_size} must be at least 1")
        self.order, self.vocab_size, self.smoothing = order, vocab_size, smoothing
        self._orders: list[_Order] = []

    def fit(self, sequences: Iterable[Sequence[int] | np.ndarray]) -> NGram:
        """Counts the n-grams of sequences, none reaching over the start of its sequence. Returns itself.

        Example:
            >>> model = NGram(2, 3).fit([[0, 1, 2, 0, 1, 2, 0, 1]])
            >>> model.log_probs([0, 1]).shape
            (2,)
        """
        tokens, begins = self._join(sequences)
        # How many tokens of its sequence stand before each position.
        age = np.arange(len(tokens)) - np.repeat(begins, np.diff([*begins, len(tokens)]))
        # Id of the context before each position (order 1 has only the empty one) and of the gram that ends at
        # it; -1 where the sequence is too young.
        context = np.zeros(len(tokens), np.int64)
        grams: list[np.ndarray] = []
        counted: list[tuple[np.ndarray, np.ndarray]] = []  # keys, counts
        for length in range(self.order):
            old = np.flatnonzero(context >= 0)
            keys, ids, counts = np.unique(
                context[old] * self.vocab_size + tokens[old], return_inverse=True, return_counts=True
            )
            gram = np.full(len(tokens), -1, np.int64)
            gram[old] = ids
            grams.append(gram)
            counted.append((keys, counts))
            context = np.concatenate([[-1], gram[:-1]])
            context[age <= length] = -1
        self._orders = [
            self._weigh(keys, self._kneser_ney_counts(grams, counted, length))
            if self.smoothing == "kneser-ney"
            else self._weigh(keys, counts)
            for length, (keys, counts) in enumerate(counted)
        ]
        return self

    def log_probs(self, sequence: Sequence[int] | np.ndarray) -> np.ndarray:
        """Natural log probability of each token given those before it, float64 `[len(sequence)]`."""
        tokens, _ = self._join([sequence])
        probability = np.full(len(tokens), 1.0 / self.vocab_size)
        for order, context in zip(self._orders, self._contexts(tokens), strict=True):
            if not len(order.keys):
                break  # no training sequence was this long
            known = _find(order.contexts, context)
            gram = _find(order.keys, context * self.vocab_size + tokens)
            weight = np.where(gram >= 0, order.weights[gram], 0.0)
            probability = np.where(known >= 0, weight + order.backoff[known] * probability, probability)
        return np.log(probability)

    def distributions(self, sequence: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
        """For each position the probabilities of all tokens given those before it, float64 `[vocab_size]`.

        The array is reused: copy what should last.
        """
        known = self.contexts(sequence)
        probability = np.empty(self.vocab_size)
        for position in range(len(sequence)):
            probability[:] = 1.0 / self.vocab_size
            for order, found in zip(self._orders, known, strict=True):
                index = found[position]
                if index < 0:
                    break  # a longer context holds this one, so it was not seen either
                probability *= order.backoff[index]
                grams = slice(order.starts[index], order.starts[index + 1])
                tokens_seen = order.keys[grams] - order.contexts[index] * self.vocab_size
                probability[tokens_seen] += order.weights[grams]
            yield probability

    def contexts(self, sequence: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """For each order the index of the context before each position, int `[len(sequence)]`, -1 unseen."""
        tokens, _ = self._join([sequence])
        return [
            _find(order.contexts, context)
            for order, context in zip(self._orders, self._contexts(tokens), strict=True)
        ]

    def followers(self, order: int, context: int) -> tuple[np.ndarray, np.ndarray]:
        """Which tokens were seen after a context, and how often each.

        Args:
            order: 1 for the empty context, up to `self.order`.
            context: Its index from `contexts`.

        Returns:
            Token ids, ascending, and counts (of Kneser-Ney below the highest order: distinct neighbours).
        """
        table = self._orders[order - 1]
        grams = slice(table.starts[context], table.starts[context + 1])
        return table.keys[grams] - table.contexts[context] * self.vocab_size, table.counts[grams]

    def _join(self, sequences: Iterable[Sequence[int] | np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        arrays = [np.asarray(sequence, np.int64) for sequence in sequences]
        tokens = np.concatenate([np.zeros(0, np.int64), *arrays])
        if len(tokens) and not (tokens.min() >= 0 and tokens.max() < self.vocab_size):
            raise ValueError(
                f"token ids reach {tokens.min()}..{tokens.max()}, expected 0..{self.vocab_size - 1}"
            )
        return tokens, np.cumsum([0, *(len(array) for array in arrays)])[:-1]

    def _contexts(self, tokens: np.ndarray) -> list[np.ndarray]:
        """For each order the id of the context before each position, -1 where it was never seen."""
        contexts = [np.zeros(len(tokens), np.int64)]
        for order in self._orders[:-1]:
            gram = np.where(contexts[-1] >= 0, _find(order.keys, contexts[-1] * self.vocab_size + tokens), -1)
            contexts.append(np.concatenate([[-1], gram[:-1]])[: len(tokens)])
        return contexts

    def _kneser_ney_counts(
        self, grams: list[np.ndarray], counted: list[tuple[np.ndarray, np.ndarray]], length: int
    ) -> np.ndarray:
        """Distinct left neighbours of each gram; where it opens a sequence, the times it does."""
        counts = counted[length][1]
        if length == self.order - 1:
            return counts
        shorter, longer = grams[length], grams[length + 1]
        _, last = np.unique(longer[longer >= 0], return_index=True)
        neighbours = np.bincount(shorter[longer >= 0][last], minlength=len(counts))
        return neighbours + np.bincount(shorter[(longer < 0) & (shorter >= 0)], minlength=len(counts))

    def _weigh(self, keys: np.ndarray, counts: np.ndarray) -> _Order:
        contexts, starts = np.unique(keys // self.vocab_size, return_index=True)
        bounds = np.append(starts, len(keys))
        kinds = np.diff(bounds)
        totals = np.add.reduceat(counts, starts) if len(keys) else counts
        of_gram = np.repeat(np.arange(len(contexts)), kinds)
        if self.smoothing == "witten-bell":
            norm = (totals + kinds).astype(float)
            return _Order(keys, counts, counts / norm[of_gram], bounds, contexts, kinds / norm)
        discount = _discounts(counts)[np.minimum(counts, 3)]
        given_away = np.add.reduceat(discount, starts) if len(keys) else discount
        return _Order(
            keys, counts, (counts - discount) / totals[of_gram], bounds, contexts, given_away / totals
        )


def _discounts(counts: np.ndarray) -> np.ndarray:
    """The discounts of counts 0, 1, 2 and 3 or more (Chen and Goodman 1999, eq. 26)."""
    ones, twos, threes, fours = (float((counts == n).sum()) for n in (1, 2, 3, 4))
    if min(ones, twos, threes, fours) > 0:
        base = ones / (ones + 2 * twos)
        found = (1 - 2 * base * twos / ones, 2 - 3 * base * threes / twos, 3 - 4 * base * fours / threes)
        if all(0 < discount <= count for count, discount in enumerate(found, start=1)):
            return np.asarray([0.0, *found])
    return np.asarray([0.0, 0.5, 1.0, 1.5])  # a corpus too small to estimate them


Pointer = Callable[[TokenSequence], tuple[np.ndarray, np.ndarray]]
"""(expected token or -1, class from 0 up), both int `[tokens]`; causal."""

LONGEST_STREAK = 8


def what_followed(longest: int) -> Pointer:
    """Expects what followed the last time that the same tokens were said; the class is how many agree.

    Args:
        longest: Tokens that are compared at most.
    """

    def point(song: TokenSequence) -> tuple[np.ndarray, np.ndarray]:
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

    def point(song: TokenSequence) -> tuple[np.ndarray, np.ndarray]:
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

    def fit(self, songs: Iterable[TokenSequence]) -> Repeat:
        """Counts how often the pointer is right, by class. Returns itself."""
        hits, total = np.zeros(256), np.zeros(256)
        for song in songs:
            expected, classes = self._pointer(song)
            points = song.counted & (expected >= 0)
            total += np.bincount(classes[points], minlength=256)
            hits += np.bincount(classes[points & (expected == song.tokens)], minlength=256)
        self.trust = hits / (total + 1)
        return self

    def distributions(self, song: TokenSequence) -> Iterator[np.ndarray]:
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
