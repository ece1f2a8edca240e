"""Prediction by partial matching, with a memory of the song so far.

Counts of the training songs and of what the song itself has said are added before anything is estimated:
c(hw) = c_train(hw) + weight * c_song(hw). A song mostly repeats itself, so the memory is what a model has to
beat. Three ways of blending the orders:

- "c": p = c / (n + t), escape t / (n + t) to the next shorter context; n counts, t distinct tokens.
  Moffat, IEEE Trans. Communications 38(11), 1990.
- "d": p = (c - 1/2) / n, escape t / 2n. Howard, PhD thesis, Brown University, 1993.
- "witten-bell": interpolated, p(w|h) = (c(hw) + t p(w|h')) / (n + t), as in `ngram`.

"c" and "d" go from the longest context down and exclude what a longer one has seen, so the probabilities sum
to one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import numpy as np

from hrpe_jax.baselines.ngram import NGram

Blending = Literal["c", "d", "witten-bell"]


class PPM:
    """Counts of training songs and of the song so far.

    Args:
        order: Longest n-gram: contexts of up to order - 1 tokens.
        vocab_size: Number of token ids.
        blending: "c", "d" or "witten-bell".
        memory: What an n-gram of the song so far counts for, beside one of the training songs; 0 for none.
    """

    def __init__(self, order: int, vocab_size: int, blending: Blending = "c", memory: float = 0.0) -> None:
        if memory < 0:
            raise ValueError(f"memory {memory} must not be negative")
        self.order, self.vocab_size, self.blending, self.memory = order, vocab_size, blending, memory
        self._trained = NGram(order, vocab_size, "witten-bell")

    def fit(self, sequences: Iterable[Sequence[int] | np.ndarray]) -> PPM:
        """Counts the n-grams of training songs. Returns itself."""
        self._trained.fit(sequences)
        return self

    def distributions(self, sequence: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
        """For each position the probabilities of all tokens given those before it, float64 `[vocab_size]`."""
        known = self._trained.contexts(sequence)
        tokens = [int(token) for token in sequence]
        memory: list[dict[tuple[int, ...], dict[int, int]]] = [{} for _ in range(self.order)]
        blend = self._interpolate if self.blending == "witten-bell" else self._escape
        for position, token in enumerate(tokens):
            contexts = [tuple(tokens[position - n : position]) for n in range(min(self.order, position + 1))]
            seen = [
                self._seen(n, int(known[n][position]), memory[n].get(context))
                for n, context in enumerate(contexts)
            ]
            yield blend([counts for counts in seen if len(counts[0])])
            if self.memory:
                for table, context in zip(memory, contexts, strict=False):
                    said = table.setdefault(context, {})
                    said[token] = said.get(token, 0) + 1

    def _seen(self, length: int, index: int, said: dict[int, int] | None) -> tuple[np.ndarray, np.ndarray]:
        """Tokens after a context and their counts, training and song together."""
        empty = np.zeros(0, np.int64), np.zeros(0)
        tokens, counts = self._trained.followers(length + 1, index) if index >= 0 else empty
        if not said:
            return tokens, counts.astype(float)
        new = np.fromiter(said, np.int64, len(said))
        weights = self.memory * np.fromiter(said.values(), float, len(said))
        together, places = np.unique(np.concatenate([tokens, new]), return_inverse=True)
        return together, np.bincount(places, np.concatenate([counts, weights]))

    def _interpolate(self, seen: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        probability = np.full(self.vocab_size, 1.0 / self.vocab_size)
        for tokens, counts in seen:
            norm = counts.sum() + len(tokens)
            probability *= len(tokens) / norm
            probability[tokens] += counts / norm
        return probability

    def _escape(self, seen: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        probability = np.zeros(self.vocab_size)
        free = np.ones(self.vocab_size, np.bool_)
        mass = 1.0
        for tokens, counts in reversed(seen):
            is_new = free[tokens]
            tokens, counts = tokens[is_new], counts[is_new]
            if not len(tokens):
                continue
            total, kinds = counts.sum(), len(tokens)
            if self.blending == "c":
                probability[tokens] = mass * counts / (total + kinds)
                mass *= kinds / (total + kinds)
            else:
                discounts = np.minimum(counts, 1) / 2
                probability[tokens] = mass * (counts - discounts) / total
                mass *= discounts.sum() / total
            free[tokens] = False
        if free.any():
            probability[free] = mass / free.sum()
        else:
            probability /= 1 - mass
        return probability
