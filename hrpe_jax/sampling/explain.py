"""Why the backbone wrote the chords it wrote: what each was chosen for, and what else it could have been.

One teacher-forced pass over the chords of a piece, given or sampled. Chord t was chosen by the query one
event before it; the attention of that query says which earlier chords decided. Its logit has three parts that
add up (see `models.layers.HarmonicAttention`): content, distance and harmony. A part is told as its advantage
over the mean of all chords in view, averaged over layers and heads in proportion to how much they attended:
what drew attention to this chord rather than to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.checkpoints.release import Model
from hrpe_jax.codec import backbone_tokens as tokens
from hrpe_jax.codec.columns import BACKBONE_PLAN
from hrpe_jax.codec.vocabulary import backbone_mask
from hrpe_jax.models.backbone import Backbone
from hrpe_jax.models.config import BackboneModelConfig
from hrpe_jax.models.harmonic_attention import EXPLANATION
from hrpe_jax.ops.attention.types import NOTHING
from hrpe_jax.sampling.options import MAX_ON_PAGE, Outputs
from hrpe_jax.sampling.planner import PiecePlan, backbone_columns
from hrpe_jax.sampling.programs import stored_jit
from hrpe_jax.theory.chord import Chord
from hrpe_jax.theory.meter import Meter

if TYPE_CHECKING:
    from hrpe_jax.sampling.compose import Piece

MAX_EVENTS = 512
"""Chords of a piece that are explained, the first: the pass builds arrays of their square for every head."""
_STEP = 64  # lengths are rounded up, so that few programs are compiled
_PARTS = ("content", "distance", "harmony")


@dataclass(frozen=True)
class Link:
    """An earlier chord that was attended to.

    Attributes:
        event: its number among the chord events; -1 for the key and meter before them all.
        weight: share of the attention, mean over layers and heads.
        content: advantage in nats of the logit's content part.
        distance: of its distance part (RoPE).
        harmony: of its harmonic part (H-RPE).
        layer: of the head that attended most.
        head: likewise.
        head_weight: how much that head did.
    """

    event: int
    weight: float
    content: float
    distance: float
    harmony: float
    layer: int
    head: int
    head_weight: float


@dataclass(frozen=True)
class ChordChoice:
    """One chord event as the model saw it before it was written.

    Attributes:
        probability: of this chord, however long it lasts, among what the grammar allowed.
        alternatives: (chord, probability) of the likeliest others, most likely first.
        links: what was attended to, most first.
    """

    probability: float
    alternatives: tuple[tuple[Chord, float], ...]
    links: tuple[Link, ...]


class _Summary(NamedTuple):
    """Of one pass; `[query, key]` each, but for the log probabilities of tokens `[query, SIZE]`."""

    weight: Array
    parts: Array  # [3, query, key]
    strongest: Array  # layer * heads + head
    strongest_weight: Array
    log_probability: Array


def explain(
    model: Model,
    backbone_ids: Any,
    alternatives: int = 3,
    links: int = 5,
    plan: PiecePlan | None = None,
) -> list[ChordChoice]:
    """Explains every chord event of a piece.

    Args:
        model: with a backbone.
        backbone_ids: the chords as tokens, BOS KEY METER event... EOS.
        alternatives: how many to tell.
        links: likewise.
        plan: of the piece, as its chords were drawn with it; unknown without one.

    Returns:
        One for each of the first `MAX_EVENTS` events, in order; none for a model without a backbone.
    """
    ids = np.asarray(backbone_ids, np.int32)[:-1]
    count = min(len(ids) - tokens.PREFIX_LENGTH, MAX_EVENTS)
    if model.backbone is None or count <= 0:
        return []
    config = replace(model.backbone.config.model, attention="reference", remat="none")
    batch, left = _inputs(ids, tokens.PREFIX_LENGTH + count, plan)
    summary = jax.tree.map(np.asarray, _pass(config, model.backbone.params, batch, left))
    return [
        _choice(summary, ids, tokens.PREFIX_LENGTH + event, config.heads, alternatives, links)
        for event in range(count)
    ]


def prepare_explanations(model: Model, wanted: Outputs) -> None:
    """Loads or compiles the program that explains a short piece, where `explain_pieces` will ask for it."""
    if _explains(model, wanted):
        explain(model, [tokens.BOS, tokens.KEY0, tokens.meter_id(Meter(4, 4)), tokens.NO_CHORD0, tokens.EOS])


def _explains(model: Model, wanted: Outputs) -> bool:
    return "html" in wanted.formats and wanted.explain and model.backbone is not None


def explain_pieces(model: Model, pieces: Sequence[Piece], wanted: Outputs) -> list[list[ChordChoice]]:
    """What `write_pieces` needs: each piece of the page explained, or nothing where that is not wanted.

    Args:
        model: from `load_model`.
        pieces: as composed.
        wanted: which files are written.
    """
    if not _explains(model, wanted):
        return []
    return [explain(model, piece.backbone_ids, plan=piece.plan) for piece in pieces[:MAX_ON_PAGE]]


def _inputs(
    ids: np.ndarray, count: int, plan: PiecePlan | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The model's inputs `[1, length]` for the first tokens, padded, and the beats left after each."""
    length = -(-count // _STEP) * _STEP
    key = int(ids[1]) - tokens.KEY0
    beats_per_bar = tokens.id_meter(int(ids[2])).beats_per_bar
    beats = np.cumsum(tokens.BEATS[ids], dtype=np.int64)
    left = (beats[-1] - beats)[:count]
    ids, beats = ids[:count], beats[:count]
    bars = beats // beats_per_bar
    room = int(bars[-1]) if plan is None else len(plan.outline)
    outline = backbone_columns(None if plan is None else [plan], 1, room)[0]
    planned = outline[np.minimum(bars, len(outline) - 1)]
    columns = {
        "input_ids": ids,
        "root_pc": tokens.ROOT[ids],
        "quality_code": tokens.QUALITY_CODE[ids],
        "function_code": tokens.function_table()[key, ids],
        "bar_phase": beats % beats_per_bar,
        "key": np.full(count, key),
        "beats_per_bar": np.full(count, beats_per_bar),
        "positions": np.arange(count),
        "segment_ids": np.ones(count),
        **{name: planned[:, number] for number, name in enumerate(BACKBONE_PLAN)},
    }
    pad = length - count
    padded = {name: np.pad(column.astype(np.int32), (0, pad))[None] for name, column in columns.items()}
    return padded, np.pad(left, (0, pad)).astype(np.int32)


@stored_jit(static=(0,))
def _pass(config: BackboneModelConfig, params: Any, batch: dict[str, Array], left: Array) -> _Summary:
    (logits, _), state = Backbone(config).apply({"params": params}, batch, mutable=[EXPLANATION])
    parts = _logit_parts(state[EXPLANATION], config)  # [3, layers, heads, query, key]
    length = left.shape[0]
    seen = jnp.tril(jnp.ones((length, length), bool)) & (batch["segment_ids"][0] > 0)
    weights = jax.nn.softmax(jnp.where(seen, parts.sum(axis=0), NOTHING), axis=-1)
    in_view = jnp.maximum(seen.sum(axis=-1, keepdims=True), 1)
    mean = jnp.where(seen, parts, 0.0).sum(axis=-1, keepdims=True) / in_view
    total = jnp.maximum(weights.sum(axis=(0, 1)), 1e-9)
    advantage = ((parts - mean) * weights).sum(axis=(1, 2)) / total
    heads = weights.reshape(-1, length, length)
    allowed = backbone_mask(batch["input_ids"][0], left, xp=jnp)
    log_probability = jax.nn.log_softmax(jnp.where(allowed, logits[0].astype(jnp.float32), NOTHING), axis=-1)
    return _Summary(weights.mean((0, 1)), advantage, heads.argmax(0), heads.max(0), log_probability)


def _logit_parts(state: Any, config: BackboneModelConfig) -> Array:
    """float32 `[3, layers, heads, query, key]` from what the layers left."""
    stack = state["stack"]
    if config.scan_layers:
        return jnp.stack([stack["blocks"]["attention"][part][:, 0] for part in _PARTS])
    layers = [stack[f"block_{i}"]["attention"] for i in range(config.layers)]
    return jnp.stack([jnp.stack([layer[part][0] for layer in layers]) for part in _PARTS])


def _choice(
    summary: _Summary, ids: np.ndarray, place: int, heads: int, alternatives: int, links: int
) -> ChordChoice:
    """The event at a place of the sequence, from the query one before it."""
    query = place - 1
    chances = np.exp(summary.log_probability[query].astype(np.float64))
    # Summed over durations: the same harmony, however long.
    harmonies = np.bincount(tokens.HARMONY, weights=chances, minlength=tokens.SIZE)
    own = int(tokens.HARMONY[ids[place]])
    likeliest = [int(token) for token in np.argsort(-harmonies)[: alternatives + 1] if token != own]
    weight = summary.weight[query, :place]
    first = tokens.PREFIX_LENGTH
    found = []
    for key in (first + np.argsort(-weight[first:])[:links]).tolist():
        content, distance, harmony = summary.parts[:, query, key].tolist()
        layer, head = divmod(int(summary.strongest[query, key]), heads)
        strongest = float(summary.strongest_weight[query, key])
        found.append(
            Link(key - first, float(weight[key]), content, distance, harmony, layer, head, strongest)
        )
    before = float(weight[:first].sum())
    if before > 0.01 or not found:
        found.append(Link(-1, before, 0.0, 0.0, 0.0, 0, 0, 0.0))
    return ChordChoice(
        float(harmonies[own]),
        tuple((tokens.id_chord(token), float(harmonies[token])) for token in likeliest[:alternatives]),
        tuple(found),
    )
