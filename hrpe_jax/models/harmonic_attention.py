"""Harmonic attention: causal multi-head attention with RoPE and H-RPE, and its learned tables.

`HarmonicAttention` is the layer for a model of your own. `AttentionLayer` is the same attention with memory
and cache, as both networks of this package use it. Their parameters have the same names and shapes.

    >>> import jax, jax.numpy as jnp
    >>> from hrpe_jax.ops.hrpe import Codes
    >>> layer = HarmonicAttention(width=32, heads=4, codes=(2,))
    >>> root, quality = jnp.array([[0, 7, 0]]), jnp.array([[0, 1, 0]])  # C G7 C
    >>> codes = Codes(root, (quality,), present=jnp.ones((1, 3), bool))
    >>> x = jnp.ones((1, 3, 32))
    >>> variables = layer.init(jax.random.key(0), x, codes)
    >>> layer.apply(variables, x, codes).shape
    (1, 3, 32)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from hrpe_jax.models.config import ALL_LAGS, Attention, HarmonyConfig, Lags, ModelConfig
from hrpe_jax.models.initializers import lecun, matmul, unnamed, zeros
from hrpe_jax.ops import hrpe, rope
from hrpe_jax.ops.attention.attention import attention
from hrpe_jax.ops.attention.types import Side
from hrpe_jax.theory.tonal_space import chord_distances

if TYPE_CHECKING:
    from flax import nnx

PERIOD = 12  # pitch classes
SHUFFLED = (4, 9, 0, 6, 11, 1, 10, 3, 8, 2, 7, 5)
"""Where the placebo puts each root: no transposition, inversion or other map that keeps intervals apart."""
EXPLANATION = "explanation"
"""Collection in which attention leaves its logits where a caller makes it mutable (with the reference
implementation); costs nothing otherwise. See `HarmonicAttention`."""


class Context(NamedTuple):
    """What every block needs beside its input; the same for all layers.

    Attributes:
      queries: where the new events stand.
      keys: where all keys stand.
      query_turn: RoPE at the new events.
      key_turn: RoPE at all events whose keys are computed here (memory, then the new ones).
      query_codes: lagged codes of the new events, one per relation; those over motions behind the others.
      key_codes: lagged codes of all keys, one per relation.
      slot: int scalar, where new keys go in the cache; None without a cache.
    """

    queries: Side
    keys: Side
    query_turn: rope.Rotation
    key_turn: rope.Rotation
    query_codes: tuple[hrpe.Codes, ...]
    key_codes: tuple[hrpe.Codes, ...]
    slot: Any = None


class LayerMemory(NamedTuple):
    """What one layer remembers, or all layers with a leading axis: XL memory *or* cached keys and values.

    Attributes:
      hidden: inputs of the layer at remembered events, ``[batch, memory, width]``.
      keys: rotated, ``[batch, heads, capacity, head_width]``; of one row without the first axis, since XLA
        copies an array with an axis of size 1 at every update.
      values: likewise.
    """

    hidden: Any = None
    keys: Any = None
    values: Any = None


class HarmonicTables(nn.Module):
    """All tables, zero at the start.

    Attributes:
      config: which relations exist, in which heads.
      heads: attention heads.
      head_width: of a query.
      categories: sizes of the categorical codes; a lagged relation uses only the first.
      logical: whether parameters carry the logical names of their axes.
    """

    config: HarmonyConfig
    heads: int
    head_width: int
    categories: tuple[int, ...]
    logical: bool = True

    @nn.compact
    def __call__(self) -> tuple[tuple[hrpe.Relation, ...], ...]:
        """For each group of heads (``config.sets``) a ``Relation`` for each lag, then for each motion."""
        sets = self.config.sets
        if sets and self.heads % len(sets):
            raise ValueError(f"harmony.head_sets: {len(sets)} sets do not divide {self.heads} heads")
        if self.config.variant == "theory":
            return ((self._distances(),),)
        prefixes = [f"set_{i}_" for i in range(len(sets))] if len(sets) > 1 else [""]
        return tuple(self._set(prefix, lags) for prefix, lags in zip(prefixes, sets, strict=False))

    def _set(self, prefix: str, lags: Lags) -> tuple[hrpe.Relation, ...]:
        heads = self.heads // len(self.config.sets)
        relations = []
        for a, b in lags:
            name = f"{prefix}lag_{a}_{b}"
            here = (a, b) == (0, 0)
            cyclic = self._table(f"{name}_cyclic", zeros("heads", "table"), (heads, PERIOD))
            sizes = self.categories if here else self.categories[:1]
            categories = tuple(
                self._table(f"{name}_category_{i}", zeros("heads", "table", "table2"), (heads, size, size))
                for i, size in enumerate(sizes)
            )
            query = None
            if here and self.config.query_dependent:
                query = self._table(
                    f"{name}_query", zeros("heads", "table", "kv"), (heads, PERIOD, self.head_width)
                )
            relation = hrpe.Relation(cyclic, categories, query)
            relations.append(symmetric(relation) if self.config.variant == "symmetric" else relation)
        for a, b in self.config.motions_in_force:
            name, size = f"{prefix}motion_lag_{a}_{b}", self.categories[0]
            cyclic = self._table(f"{name}_cyclic", zeros("heads", "table"), (heads, PERIOD))
            shape = (heads, size, size)
            category = self._table(f"{name}_category_0", zeros("heads", "table", "table2"), shape)
            relations.append(hrpe.Relation(cyclic, (category,)))
        return tuple(relations)

    def _table(self, name: str, begin: Any, shape: tuple[int, ...]) -> Array:
        table: Array = self.param(name, begin if self.logical else unnamed(begin), shape)
        return table

    def _distances(self) -> hrpe.Relation:
        """Each published distance with one weight for each head."""
        distances = np.stack(list(chord_distances().values()))
        weights = self._table("distances", zeros("heads", "table"), (self.heads, len(distances)))
        joint = jnp.einsum("hf,fqkn->hqkn", weights, jnp.asarray(distances, jnp.float32), precision="highest")
        return hrpe.Relation(jnp.zeros((self.heads, PERIOD)), (), None, joint)


def symmetric(relation: hrpe.Relation) -> hrpe.Relation:
    """The relation with both directions averaged: V to I is then the same as I to V."""

    def mirror(table: Array) -> Array:
        return (table + jnp.roll(jnp.flip(table, 1), 1, 1)) / 2

    return relation._replace(
        cyclic=mirror(relation.cyclic),
        categories=tuple((table + table.swapaxes(1, 2)) / 2 for table in relation.categories),
        query=None if relation.query is None else mirror(relation.query),
    )


class AttentionLayer(nn.Module):
    """Multi-head attention with RoPE and H-RPE, over new events, memory and cache.

    To those who ask for the collection `EXPLANATION` it gives the parts of its logits, float32
    ``[batch, heads, query, key]`` each: ``content`` (query times key as if they stood at one place),
    ``distance`` (what rotation changes of that: RoPE, and roots in the variant z12) and ``harmony`` (H-RPE);
    the softmax is over their sum.
    """

    config: ModelConfig
    harmony: HarmonyConfig
    categories: tuple[int, ...]
    logical: bool = True

    @nn.compact
    def __call__(
        self, x: Array, past: Array | None, cached: LayerMemory, context: Context
    ) -> tuple[Array, LayerMemory]:
        """Attends from ``x [batch, length, width]``.

        Args:
          x: normed input.
          past: normed memory ``[batch, memory, width]`` or None.
          cached: keys and values so far, or an empty ``LayerMemory``.
          context: see there.

        Returns:
          The output ``[batch, length, width]`` and the cache with the new keys and values.
        """
        config = self.config
        heads, head_width = config.heads, config.head_width

        def project(name: str, source: Array) -> Array:
            kernel = self._kernel(
                name, lecun(config.width, "embed", "heads", "kv"), (config.width, heads, head_width)
            )
            flat = matmul(source, kernel.reshape(config.width, heads * head_width).astype(source.dtype))
            return flat.reshape(*source.shape[:2], heads, head_width).swapaxes(1, 2)

        source = x if past is None else jnp.concatenate([past, x], axis=1)
        q, k, v = project("query", x), project("key", source), project("value", source)
        plain_k = k
        turned_q, k = rope.rotate(q, context.query_turn), rope.rotate(k, context.key_turn)
        if cached.keys is not None:
            one_row = cached.keys.ndim == 3

            def put(new: Array, into: Array) -> Array:
                start = (*(0,) * (into.ndim - 2), context.slot, 0)
                new = new.astype(into.dtype)
                return jax.lax.dynamic_update_slice(into, new[0] if one_row else new, start)

            cached = LayerMemory(keys=put(k, cached.keys), values=put(v, cached.values))
            k, v = (x[None] if one_row else x for x in (cached.keys, cached.values))
        tables = HarmonicTables(
            self.harmony, heads, head_width, self.categories, self.logical, name="tables"
        )()
        # The query-dependent term shares the scale of the content term, so that E lives at the size of a key.
        terms = self._harmonic_terms(tables, q * head_width**-0.5, context) if tables else {}
        explained = self.is_mutable_collection(EXPLANATION) and not self.is_initializing()
        if explained and cached.keys is None:
            self._explain(q, plain_k, turned_q, k, terms.get("bias"))
        # A cache is read one event at a time: no kernel is needed, and its keys are not aligned with queries.
        here = "xla" if context.slot is not None and config.attention != "reference" else config.attention
        mixed = attention(
            turned_q, k, v, context.queries, context.keys, implementation=here, start=context.slot, **terms
        )
        mixed = mixed.swapaxes(1, 2).reshape(*x.shape[:2], heads * head_width)
        out = self._kernel(
            "out", lecun(heads * head_width, "heads", "kv", "embed"), (heads, head_width, config.width)
        )
        return matmul(mixed, out.reshape(heads * head_width, config.width).astype(x.dtype)), cached

    def _kernel(self, name: str, begin: Any, shape: tuple[int, ...]) -> Array:
        kernel: Array = self.param(name, begin if self.logical else unnamed(begin), shape)
        return kernel

    def _explain(self, q: Array, k: Array, turned_q: Array, turned_k: Array, bias: Array | None) -> None:
        """Leaves the parts of the logits in `EXPLANATION`."""

        def products(a: Array, b: Array) -> Array:
            scores = jnp.einsum("bhid,bhjd->bhij", a, b, preferred_element_type=jnp.float32)
            return scores * a.shape[-1] ** -0.5

        content = products(q, k)
        parts = {"content": content, "distance": products(turned_q, turned_k) - content}
        parts["harmony"] = jnp.zeros_like(content) if bias is None else bias
        for name, part in parts.items():
            self.sow(EXPLANATION, name, part, reduce_fn=lambda _, new: new, init_fn=lambda: None)

    def _harmonic_terms(
        self, tables: tuple[tuple[hrpe.Relation, ...], ...], queries: Array, context: Context
    ) -> dict[str, Any]:
        """H-RPE as ``attention`` takes it: a dense bias for the reference, else features."""
        order = self.harmony.relations
        motions = range(len(order), len(order) + len(self.harmony.motions_in_force))
        per_set = self.config.heads // len(tables)
        dense = self.config.attention == "reference"
        biases, groups = [], []
        for i, (lags, relations) in enumerate(zip(self.harmony.sets, tables, strict=True)):
            numbers = [*(order.index(pair) for pair in lags), *motions]
            query_codes = [self._shuffle(context.query_codes[n]) for n in numbers]
            key_codes = [self._shuffle(context.key_codes[n]) for n in numbers]
            heads = queries[:, i * per_set : (i + 1) * per_set]
            if dense:
                biases.append(hrpe.bias(query_codes, key_codes, relations, heads))
            else:
                groups.append(hrpe.fold(query_codes, key_codes, relations, heads))
        return {"bias": jnp.concatenate(biases, axis=1)} if dense else {"features": hrpe.join(groups)}

    def _shuffle(self, codes: hrpe.Codes) -> hrpe.Codes:
        """The codes; with roots that mean nothing, for the placebo."""
        if self.harmony.variant != "placebo":
            return codes
        return codes._replace(cyclic=jnp.asarray(SHUFFLED)[codes.cyclic % PERIOD])


class HarmonicAttention(nn.Module):
    """Causal self-attention with RoPE and H-RPE, for a model of your own.

    Events have codes: a cyclic one (0 to 11, such as the root of a chord) and categorical ones. Tables of all
    relations begin at zero, where the layer is plain RoPE attention.

    Attributes:
      width: of the input and the output.
      heads: attention heads; they divide `width`.
      codes: how many values each categorical code has; a lagged relation uses only the first.
      lags: pairs (a, b): the codes a events before the query against those b events before the key.
      implementation: of attention, see `ops.attention`; "reference" builds the whole [query, key] array.
      rope_base: longest RoPE wavelength over 2 pi, in events.
      motions: pairs (a, b) likewise, over the step of the cyclic code into each event (`ops.hrpe.motion`).
    """

    width: int
    heads: int
    codes: tuple[int, ...]
    lags: Lags = ALL_LAGS
    implementation: Attention = "auto"
    rope_base: float = 10000.0
    motions: Lags = ()

    def setup(self) -> None:
        """Makes the layer; it shares this module's scope, and so the names of parameters."""
        if self.width % self.heads:
            raise ValueError(f"heads: a divisor of width {self.width} expected, got {self.heads}")
        config = ModelConfig(
            width=self.width,
            heads=self.heads,
            head_width=self.width // self.heads,
            attention=self.implementation,
            rope_base=self.rope_base,
        )
        harmony = HarmonyConfig(variant="lagged", lags=self.lags, motions=self.motions)
        self.layer = AttentionLayer(config, harmony, self.codes, logical=False)
        nn.share_scope(self, self.layer)

    def __call__(
        self, x: Array, codes: hrpe.Codes, positions: Array | None = None, segments: Array | None = None
    ) -> Array:
        """Attends from every event to itself and to those before it.

        Args:
          x: ``[batch, length, width]``, normed where the model norms.
          codes: of each event, ``[batch, length]``.
          positions: int ``[batch, length]``, the events' numbers in their song; None for 0, 1, 2 ...
          segments: int ``[batch, length]``, equal within a song, 0 for padding; None where a row is one song.

        Returns:
          ``[batch, length, width]``.

        Raises:
          ValueError: shapes or codes that do not fit; it names the argument and what is allowed.
        """
        batch, length = x.shape[:2]
        if positions is None:
            positions = jnp.broadcast_to(jnp.arange(length), (batch, length))
        if segments is None:
            segments = jnp.ones((batch, length), jnp.int32)
        side = Side(positions, segments)
        turn = rope.rotation(positions, self.width // self.heads, self.rope_base)
        related = [(codes, pair) for pair in self.lags]
        if self.motions:
            steps = hrpe.motion(codes, PERIOD, segments)
            related += [(steps, pair) for pair in self.motions]
        context = Context(
            side,
            side,
            turn,
            turn,
            tuple(hrpe.lag(which, a, segments) for which, (a, _) in related),
            tuple(hrpe.lag(which, b, segments) for which, (_, b) in related),
        )
        out: Array = self.layer(x, None, LayerMemory(), context)[0]
        return out


def to_nnx(layer: HarmonicAttention, rngs: nnx.Rngs, x: Array, codes: hrpe.Codes) -> nnx.Module:
    """The layer as a module of flax.nnx, by `flax.nnx.bridge`.

    Args:
      layer: of linen.
      rngs: from which its parameters are drawn.
      x: an input of the shape that will come, ``[batch, length, width]``.
      codes: of its events.

    Returns:
      A module with parameters, called as the layer is: ``module(x, codes)``.
    """
    from flax import nnx

    return nnx.bridge.lazy_init(nnx.bridge.ToNNX(layer, rngs=rngs), x, codes)
