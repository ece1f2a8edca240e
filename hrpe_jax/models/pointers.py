"""What the candidates of ``ops.repeats`` tell a network: an input, and a pointer at the output.

At the input a network sees the events that may follow, for how long the past agreed with each, whether the
context is the same, how many bars ago that was and how often it came, and where in sixteen bars it stands
itself. At the output a score, of the state of the network and of those, is added to each candidate's own (a
pointer as in Vinyals et al., 2015, to the places that matter). Left to itself, a small attention network on
small data learns to look back late or never; counting finds the places at once, and what is learned is how
far to trust them.

The candidates of `ops.aligned` are what a melody had at the same place of earlier bars. Real phrases use two
or three rhythms again at lags of 1, 2 and 4 bars, and a section that comes back begins as it began. The bars
at these lags, and the bar that the plan aligns with the present one, each name a candidate for the next
event; what is learned is how far to trust each, for its pitch and its rhythm apart, and over another chord
than its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.codec import backbone_tokens, melody_tokens
from hrpe_jax.codec.plan import BACK, LAGS, REUSE_EXACT, REUSE_RHYTHM
from hrpe_jax.models.config import MelodyModelConfig
from hrpe_jax.models.initializers import lecun, matmul, normal, ones, zeros
from hrpe_jax.ops import aligned, phrases, repeats
from hrpe_jax.ops.repeats import CANDIDATES, LONGEST
from hrpe_jax.theory.meter import MAX_BAR_TICKS
from hrpe_jax.theory.quality import QUALITIES

STDDEV = 0.02
# Agreements that are told apart: each up to 32, then by quarters of an octave.
STEPS = np.unique([*range(33), *(int(32 * 2 ** (n / 4)) for n in range(4 * 5 + 1))]).clip(max=LONGEST)
KINDS = len(STEPS)
FARTHEST = 33  # bars ago that are told apart; what is farther counts as that
OFTEN = 8  # times that are told apart; more count as that
RUNS = np.array([0, 1, 2, 3, 4, 6, 9, 14, 22])
"""Numbers of correct predictions in a row that a phrase pointer distinguishes."""
RUN_KINDS = 1 + 2 * len(RUNS)  # no candidate; a candidate that begins at the place or not, by run
HYPERMETER = 16  # bars after which the count of bars begins anew: phrases are of 4, 8 or 16


class RepeatPointer(nn.Module):
    """A pointer to what followed earlier repeats (`ops.repeats`): its embedding, and scores at the output.

    Attributes:
      width: of the model.
      levels: how many scores a candidate has: of the event itself, and of wider classes that it is of.
    """

    width: int
    levels: int = 1

    def setup(self) -> None:
        """Creates the tables."""
        self.expected_in = self.param(
            "expected_in", lecun(self.width, None, "embed", None), (CANDIDATES, self.width, self.width)
        )
        self.bar_in = self.param("bar_in", normal(STDDEV, "vocab", "embed"), (HYPERMETER, self.width))
        sizes = {"agree": 2 * KINDS, "back": FARTHEST + 1, "often": OFTEN + 1, "rank": CANDIDATES}
        self.tables = {
            name: (
                self.param(f"{name}_in", normal(STDDEV, "vocab", "embed"), (size, self.width)),
                self.param(
                    f"{name}_out", normal(STDDEV, "vocab", None, "embed"), (size, self.levels, self.width)
                ),
                self.param(f"{name}_bias", zeros("vocab", None), (size, self.levels)),
            )
            for name, size in sizes.items()
        }

    def embed(self, events: Array, found: repeats.Expectation) -> Array:
        """To be added to the input.

        Args:
          events: embeddings of the candidates, ``[batch, length, candidates, width]``; any where there is
            none.
          found: ``[batch, length, candidates]``, its clock in bars.
        """
        seen = jnp.where((found.agree > 0)[..., None], events, 0.0)
        x = matmul(seen.reshape(*seen.shape[:2], -1), self.expected_in.reshape(-1, self.width))
        for name, index in _indices(found):
            x = x + jnp.sum(self.tables[name][0][index], axis=-2)
        return x + self.bar_in[found.clock % HYPERMETER]

    def trust(self, hidden: Array, found: repeats.Expectation) -> Array:
        """Scores to be added to those of the candidates: float32 ``[batch, length, candidates, levels]``."""
        rows = sum(self.tables[name][1][index] for name, index in _indices(found))
        bias = sum(self.tables[name][2][index] for name, index in _indices(found))
        return jnp.einsum("blw,blcnw->blcn", hidden.astype(jnp.float32), rows) + bias


def _indices(found: repeats.Expectation) -> list[tuple[str, Array]]:
    """Which row of each table, ``[batch, length, candidates]``."""
    agree = jnp.searchsorted(STEPS, found.agree, side="right", method="compare_all") - 1
    rank = jnp.broadcast_to(jnp.arange(CANDIDATES), found.agree.shape)
    return [
        ("agree", agree + KINDS * found.same),
        ("back", jnp.minimum(found.back, FARTHEST)),
        ("often", jnp.minimum(found.often, OFTEN)),
        ("rank", jnp.where(found.agree > 0, rank, 0)),
    ]


class PhrasePointer(nn.Module):
    """A pointer to what stood so many bars ago (`ops.phrases`): its embedding, and scores at the output.

    Attributes:
      width: of the model.
      distances: how many.
      levels: how many scores a candidate has: of the event itself, and of wider classes that it is of.
    """

    width: int
    distances: int
    levels: int = 1

    def setup(self) -> None:
        """Creates the tables."""
        rows, width = self.distances * RUN_KINDS, self.width
        self.expected_in = self.param("expected_in", lecun(width, "embed", None), (width, width))
        self.gate = self.param("gate", ones("vocab", "embed"), (rows, width))
        self.row_in = self.param("row_in", normal(STDDEV, "vocab", "embed"), (rows, width))
        out = normal(STDDEV, "vocab", None, "embed")
        self.row_out = self.param("row_out", out, (rows, self.levels, width))
        self.bias = self.param("bias", zeros("vocab", None), (rows, self.levels))

    def embed(self, events: Array, found: phrases.Expectation) -> Array:
        """To be added to the input.

        Args:
          events: embeddings of the candidates, ``[batch, length, distances, width]``; any where there is
            none.
          found: ``[batch, length, distances]``.
        """
        rows = _rows(found)
        seen = jnp.where((found.event >= 0)[..., None], events * self.gate[rows], 0.0)
        return matmul(jnp.sum(seen, axis=-2), self.expected_in) + jnp.sum(self.row_in[rows], axis=-2)

    def trust(self, hidden: Array, found: phrases.Expectation) -> Array:
        """Scores to be added to those of the candidates: float32 ``[batch, length, distances, levels]``."""
        rows = _rows(found)
        return jnp.einsum("blw,blcnw->blcn", hidden.astype(jnp.float32), self.row_out[rows]) + self.bias[rows]


def _rows(found: phrases.Expectation) -> Array:
    """Which row of the tables, ``[batch, length, distances]``."""
    run = jnp.searchsorted(RUNS, found.right, side="right", method="compare_all") - 1
    kind = jnp.where(found.event >= 0, 1 + 2 * run + found.begins, 0)
    return jnp.arange(found.event.shape[-1]) * RUN_KINDS + kind


def hide_rows(found: Any, key: Array, rate: float) -> Any:
    """Candidates of a pointer with none in some rows: a model should not lean on them alone.

    Args:
      found: an `Expectation` of `ops.repeats`, `ops.phrases` or `ops.aligned`.
      key: random key.
      rate: share of rows without candidates.
    """
    hidden = jax.random.bernoulli(key, rate, (found.event.shape[0], 1, 1))
    nothing = {"event": -1, "kind": -1}
    fields = {
        name: jnp.where(hidden, jnp.asarray(nothing.get(name, 0), values.dtype), values)
        for name, values in found._asdict().items()
        if name != "clock"
    }
    return found._replace(**fields)


def point(logits: Array, expected: Array, trust: Array) -> Array:
    """The logits ``[..., vocabulary]`` with ``trust [..., candidates]`` added to those of ``expected``.

    A comparison with all ids instead of a scatter, which a CPU and a TPU do row by row.

    Args:
      logits: ``[..., vocabulary]``.
      expected: int ids ``[..., candidates]``, negative for none.
      trust: ``[..., candidates]``.
    """
    ids = jnp.arange(logits.shape[-1])
    for k in range(expected.shape[-1]):
        logits = logits + jnp.where(ids == expected[..., k, None], trust[..., k, None], 0.0)
    return logits


PITCHES = melody_tokens.PITCHES


def _points() -> np.ndarray:
    """What the grammar decides after an event: 1 a length, 2 how far a rest goes, 0 anything else."""
    points = np.zeros(melody_tokens.SIZE, np.int32)
    points[:PITCHES], points[melody_tokens.REST] = 1, 2
    return points


POINTS = _points()
PLACES = (MAX_BAR_TICKS + 1) * 3
"""Places of a bar that `ops.aligned` tells apart: ticks, and what is decided there."""
ALIGNED_EVENTS = 1024
"""Events among which `ops.aligned` looks: 64 bars and more of most melodies."""


class BarPointer(nn.Module):
    """The learned side of `ops.aligned`.

    A candidate has two scores: of the event itself, and of a note of any pitch, where it is a note.

    Attributes:
      width: of the model.
      distances: how many.
    """

    width: int
    distances: int

    TOLD = 5
    """What the plan says of a distance: 0 unknown, 1 nothing, 2 it is another, 3 the rhythm, 4 all of it."""

    def setup(self) -> None:
        """Creates the tables."""
        rows, width = self.distances * (1 + len(RUNS)), self.width
        told = self.distances * self.TOLD
        self.expected_in = self.param("expected_in", lecun(width, "embed", None), (width, width))
        self.gate = self.param("gate", ones("vocab", "embed"), (rows, width))
        out = normal(STDDEV, "vocab", None, "embed")
        small = normal(STDDEV, "vocab", "embed")
        self.right_in, self.alike_in = (
            self.param(f"{n}_in", small, (rows, width)) for n in ("right", "alike")
        )
        self.right_out = self.param("right_out", out, (rows, 2, width))
        self.alike_out = self.param("alike_out", out, (rows, 2, width))
        self.told_out = self.param("told_out", out, (told, 2, width))
        runs = 1 + len(RUNS)
        shape = (self.distances, self.TOLD, runs, 2)
        self.same_in = self.param("same_in", small, (2 * self.distances, width))
        self.same_out = self.param("same_out", out, (2 * self.distances, 2, width))
        over = (self.distances, 2, runs, 2)
        self.same_bias = self.param("same_bias", zeros("vocab", None, None, None), over)
        self.right_bias = self.param("right_bias", zeros("vocab", None, None, None), shape)
        self.alike_bias = self.param("alike_bias", zeros("vocab", None, None, None), shape)

    def embed(self, events: Array, found: aligned.Expectation) -> Array:
        """To be added to the input.

        Args:
          events: embeddings of the candidates, `[batch, length, distances, width]`; any where there is none.
          found: `[batch, length, distances]`.
        """
        right, alike = self._rows(found.event, found.right), self._rows(found.event, found.alike)
        seen = jnp.where((found.event >= 0)[..., None], events * self.gate[right], 0.0)
        chord = self.same_in[self._chord(found)] * (found.event >= 0)[..., None]
        rows = jnp.sum(self.right_in[right] + self.alike_in[alike] + chord, axis=-2)
        return matmul(jnp.sum(seen, axis=-2), self.expected_in) + rows

    def trust(self, hidden: Array, found: aligned.Expectation, told: Array) -> Array:
        """Scores of the candidates, float32 `[batch, length, distances, 2]`.

        Args:
          hidden: `[batch, length, width]`.
          found: `[batch, length, distances]`.
          told: int `[batch, length, distances]`, see `TOLD`.
        """
        right, alike = self._rows(found.event, found.right), self._rows(found.event, found.alike)
        number = jnp.arange(self.distances)
        rows = self.right_out[right] + self.alike_out[alike] + self.told_out[number * self.TOLD + told]
        rows = rows + self.same_out[self._chord(found)]
        runs = 1 + len(RUNS)
        bias = self.right_bias[number, told, right % runs] + self.alike_bias[number, told, alike % runs]
        bias = bias + self.same_bias[number, found.same.astype(jnp.int32), right % runs]
        return jnp.einsum("blw,blcnw->blcn", hidden.astype(jnp.float32), rows) + bias

    def _chord(self, found: aligned.Expectation) -> Array:
        return 2 * jnp.arange(self.distances) + found.same

    def _rows(self, event: Array, run: Array) -> Array:
        step = jnp.searchsorted(RUNS, run, side="right", method="compare_all")
        return jnp.arange(self.distances) * (1 + len(RUNS)) + jnp.where(event >= 0, step, 0)


def bar_distances(config: MelodyModelConfig) -> int:
    """How many earlier bars `ops.aligned` looks at: those of `bar_lags`, and the plan's."""
    return len(config.bar_lags) + config.plan


def earlier_bars(
    config: MelodyModelConfig, state: aligned.Aligned, batch: Mapping[str, Array]
) -> tuple[aligned.Aligned, aligned.Expectation, Array]:
    """What came at the same place of earlier bars, and what the plan says of each of them.

    Args:
      config: of the model.
      state: of the events before.
      batch: int `[batch, length]`: `event_ids`, `bar_phase`, `chord_id`; with a plan its columns too.

    Returns:
      The state with these events; the candidates; and, as `BarPointer.TOLD` says, int
      `[batch, length, distances]`.
    """
    ids = batch["event_ids"]
    begins = ids == melody_tokens.BAR
    bars = jnp.where(state.place < 0, 0, state.place // PLACES)[:, None] + jnp.cumsum(begins, axis=1)
    places = bars * PLACES + batch["bar_phase"] * 3 + jnp.asarray(POINTS)[ids]
    # Loudness takes no place: a bar is the same bar whether it says how loud it is or not.
    said = (ids >= melody_tokens.VEL0) & (ids < melody_tokens.DUR0)
    events = jnp.where(said | (ids == melody_tokens.PAD), aligned.NOTHING, ids)
    kinds = jnp.where(ids < PITCHES, 0, ids)
    # A chord is the same in any inversion and for any number of beats.
    roots, qualities = jnp.asarray(backbone_tokens.ROOT), jnp.asarray(backbone_tokens.QUALITY)
    chord = batch["chord_id"]
    chords = roots[chord].astype(jnp.int32) * (len(QUALITIES) + 1) + qualities[chord].astype(jnp.int32)
    back = jnp.broadcast_to(jnp.asarray(config.bar_lags, jnp.int32), (*ids.shape, len(config.bar_lags)))
    restart = jnp.zeros(back.shape, bool)
    told = jnp.zeros(back.shape, jnp.int32)
    if config.plan:
        reuse = batch["reuse"][..., None]
        known = [LAGS.index(lag) if lag in LAGS else len(LAGS) + REUSE_EXACT for lag in config.bar_lags]
        numbers = jnp.asarray(known, jnp.int32)
        other = jnp.where(reuse == 0, 0, jnp.where(reuse < REUSE_RHYTHM, 1, 2))
        told = jnp.where(
            reuse == REUSE_RHYTHM + numbers, 3, jnp.where(reuse == REUSE_EXACT + numbers, 4, other)
        )
        fresh = begins & (batch["bar"] == 1)
        back = jnp.concatenate([back, batch[BACK][..., None]], axis=-1)
        restart = jnp.concatenate([restart, fresh[..., None]], axis=-1)
        told = jnp.concatenate([told, batch["returns"][..., None]], axis=-1)
    state, found = aligned.follow(state, events, kinds, places, chords, back, PLACES, restart)
    return state, found, told


def no_bars(config: MelodyModelConfig, batch: int) -> aligned.Aligned | None:
    """The state before the first event, for so many rows; None in a model that looks at no earlier bar."""
    return aligned.empty(batch, ALIGNED_EVENTS, bar_distances(config)) if bar_distances(config) else None
